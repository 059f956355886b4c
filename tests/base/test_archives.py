"""Zip files that are not what they say, or say too much."""

import io
import os
import zipfile

import numpy as np
import pytest

from yt8m.base import archives


def npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array(content, array, allow_pickle=True)
    return content.getvalue()


def npy_header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    content = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, header)
    return content.getvalue()


def write_zip(path, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return str(path)


def claim(path: str, claimed: int) -> None:
    """Makes the directory of a zip file of one member say another size."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.infolist()[0].file_size = claimed
        archive._didModify = True


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_read_as_numpy_reads_them(save, tmp_path):
    stored = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array(["x", "yz"]), "c": np.array(7)}
    save(tmp_path / "a.npz", **stored)
    for name, held in zip("abc", archives.read_arrays(str(tmp_path / "a.npz"), "abc"), strict=True):
        np.testing.assert_array_equal(held, stored[name])
        assert held.dtype == stored[name].dtype


def test_what_shrinks_well_is_read(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1 << 22))
    assert os.path.getsize(tmp_path / "a.npz") < (32 << 20) / 500
    (held,) = archives.read_arrays(str(tmp_path / "a.npz"), ["a"])
    assert not held.any()


def test_what_claims_too_much_is_refused_before_it_is_read(tmp_path):
    path = write_zip(tmp_path / "a.npz", {"a.npy": npy(np.zeros(1000))})
    claim(path, 1 << 31)
    with pytest.raises(ValueError, match=r"claims to hold 2,147,483,648 bytes in a file of "):
        archives.read_arrays(path, ["a"])


def test_what_another_library_opens_is_looked_at_before(tmp_path):
    path = write_zip(tmp_path / "weights.h5", {"a": bytes(1000)})
    archives.check_if_zipped(path)
    claim(path, 1 << 31)
    with pytest.raises(ValueError, match="claims"):
        archives.check_if_zipped(path)
    (tmp_path / "other").write_text("no zip file")
    archives.check_if_zipped(str(tmp_path / "other"))


def test_members_count_together(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "PLAUSIBLE_BYTES", 1 << 20)
    members = {f"{i}": bytes(1 << 19) for i in range(3)}
    path = write_zip(tmp_path / "a.zip", members)
    with pytest.raises(ValueError, match="claims"), archives.opened(path):
        pass


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (npy_header((10**12,)), r"says it is \(1000000000000,\) of float32, and holds 0 bytes"),
        (npy_header((1 << 62, 8)), "holds 0 bytes"),
        (npy_header((-1,)), "says it is"),
        (npy(np.zeros(3)) + b"more", "holds 28 bytes"),
        (npy(np.array([print], object)), "Python's objects"),
        (b"no array", "magic"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "unknown version"),
        (b"\x93NUMPY\x01\x00\xff\x00" + b"(" * 255, "the header of its a.npy cannot be read"),
        (b"", "EOF"),
    ],
    ids=range(9),
)
def test_members_that_are_no_such_array_are_refused(content, part, tmp_path):
    path = write_zip(tmp_path / "a.npz", {"a.npy": content})
    with pytest.raises(ValueError, match=part):
        archives.read_arrays(path, ["a"])


def test_an_array_alone_is_held_against_its_file_too(tmp_path):
    path = tmp_path / "a.npy"
    for array in (np.arange(6.0).reshape(2, 3).T, np.array(7)):
        np.save(path, array)
        np.testing.assert_array_equal(archives.read_npy(str(path)), array)
    objects = npy(np.array([print], object))
    for content in (npy_header((10**12,)), npy(np.zeros(3))[:-1], objects, b"", b"PK\x03\x04"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"holds|EOF|magic"):
            archives.read_npy(str(path))


def test_a_member_that_is_missing_or_too_long_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.npz", {"a.npy": npy(np.zeros(3))})
    with pytest.raises(ValueError, match=r"it has no b\.npy"):
        archives.read_arrays(path, ["b"])
    with archives.opened(path) as archive:
        assert len(archives.read_member(archive, "a.npy", 1000)) == 152
    with (
        pytest.raises(ValueError, match=r"its a.npy takes 152 bytes; 100 are the most"),
        archives.opened(path) as archive,
    ):
        archives.read_member(archive, "a.npy", 100)


def test_damage_is_a_value_error_wherever_it_is(tmp_path):
    """Whatever zipfile, its decoders and NumPy raise for it."""
    path = tmp_path / "a.npz"
    rng = np.random.default_rng(1)
    np.savez_compressed(path, a=rng.integers(0, 4, 500), b=np.array(["x"]))
    whole = path.read_bytes()
    refused = 0
    for _ in range(400):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged[: rng.integers(1, 2 * len(whole))])
        try:
            archives.read_arrays(str(path), ["a", "b"])
        except ValueError:
            refused += 1
    assert refused > 300


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        archives.read_arrays(str(tmp_path / "a.npz"), ["a"])
