"""A folder that appears whole, and replaces nothing but its like."""

import pytest

from yt8m.base.errors import UserError
from yt8m.serving import output_folder

PARTS, SIGN = {"sign.json", "data"}, "sign.json"


def write(path, *names: str) -> None:
    with output_folder.writing(str(path), PARTS, SIGN) as folder:
        assert folder != str(path)
        for name in names:
            with open(f"{folder}/{name}", "w") as file:
                file.write("new")


def test_appears_in_place_of_an_earlier_one(tmp_path):
    write(tmp_path / "out", "sign.json", "data")
    write(tmp_path / "out", "sign.json")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sign.json"]


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    write(tmp_path / "out", "sign.json", "data")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    write(tmp_path / "link", "sign.json")
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sign.json"]


def test_an_error_leaves_what_was_there(tmp_path):
    write(tmp_path / "out", "sign.json")
    for name in ("out", "other"):
        with (
            pytest.raises(ZeroDivisionError),
            output_folder.writing(str(tmp_path / name), PARTS, SIGN),
        ):
            raise ZeroDivisionError
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "sign.json"]


@pytest.mark.parametrize("names", [["notes"], ["sign.json", "notes"], ["data"]], ids=",".join)
def test_what_is_not_its_like_is_never_replaced(names, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(UserError, match="only an earlier output of this job is replaced"):
        with output_folder.writing(str(out), PARTS, SIGN):
            out.mkdir()  # It came while the job worked.
            for name in names:
                (out / name).write_text("mine")
    with pytest.raises(UserError, match="it holds (notes|no sign.json)"):
        output_folder.check(str(out), PARTS, SIGN)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert {path.name for path in out.iterdir()} == set(names)


def test_what_can_be_written(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new", "new/newer"):
        output_folder.check(str(tmp_path / name), PARTS, SIGN)
    (tmp_path / "file").write_text("")
    for name in ("file", "file/new"):
        with pytest.raises(UserError, match="Cannot write"):
            output_folder.check(str(tmp_path / name), PARTS, SIGN)
    with pytest.raises(UserError, match="local folder"):
        output_folder.check("gs://bucket/out", PARTS, SIGN)
