"""The numbers of the folders that a model server looks for."""

import pytest

from yt8m.base.errors import UserError
from yt8m.serving import versions


def test_a_number_is_a_folder(tmp_path):
    base = str(tmp_path / "model")
    assert versions.folder(base, "3") == f"{base}/3"
    assert versions.folder(base, "0") == f"{base}/0"
    assert versions.folder(base, "00000123") == f"{base}/123"
    assert versions.folder(base, str(2**63 - 1)).endswith("/9223372036854775807")


def test_the_next_is_above_all_that_a_server_would_find(tmp_path):
    base = tmp_path / "model"
    assert versions.folder(str(base), "next") == f"{base}/1"
    for name in ("2", "0010", "9", "model.config", "20x", ".tmp-00000000-1-0123456789abcdef-30"):
        (base / name).mkdir(parents=True)
    assert versions.folder(str(base), "next") == f"{base}/11"
    (base / str(2**63 - 1)).mkdir()
    with pytest.raises(UserError, match="holds the largest version"):
        versions.folder(str(base), "next")


@pytest.mark.parametrize("version", ["-1", "1.0", "one", "", " 1", "١", str(2**63), "1" * 5000])
def test_what_a_server_takes_for_no_number_is_refused(version, tmp_path):
    with pytest.raises(UserError, match="must be a number up to 9223372036854775807, or next"):
        versions.folder(str(tmp_path), version)


def test_versions_stand_in_a_folder_of_their_own(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="Cannot write .*file: Not a directory"):
        versions.folder(str(tmp_path / "file"), "1")
    (tmp_path / "saved_model.pb").write_text("")
    with pytest.raises(UserError, match="is an export itself"):
        versions.folder(str(tmp_path), "1")
