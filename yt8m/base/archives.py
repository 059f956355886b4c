"""Zip files of others, .npz files among them: looked at before they are read. No TensorFlow.

A zip file of some kilobytes can claim terabytes, which would fill the memory or take hours. Its
directory says what it claims. The rule for every job: what is more than `PLAUSIBLE_BYTES` and more
than `PLAUSIBLE_RATIO` times the size of the file is refused. Weights and scores, which shrink to
a half or a tenth, are far from it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from yt8m.base.errors import UserError, first_line

PLAUSIBLE_BYTES = 256 << 20
PLAUSIBLE_RATIO = 100
_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}

# The shape of an array, whether it is stored by columns, and the type of its values.
Header = tuple[tuple[int, ...], bool, np.dtype]


@contextlib.contextmanager
def opened(source: str | BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Opens a zip file whose members may be read: together they claim no more than is plausible.

    Args:
        source: a path, or a file that can be read and sought in.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, is no zip file, or claims too much; also in place of whatever
            is raised inside the block because a member is damaged.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(open(source, "rb")) if isinstance(source, str) else source
        size = file.seek(0, os.SEEK_END) or file.tell()  # TensorFlow's files return None.
        try:
            archive = stack.enter_context(zipfile.ZipFile(file))
            _check_size(archive, size)
            yield archive
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise ValueError("it says that a member lies where there is none") from None
        except (ValueError, UserError):
            raise
        except Exception as error:  # zipfile, its decoders and NumPy raise a dozen kinds.
            raise ValueError(first_line(error)) from error


def _check_size(archive: zipfile.ZipFile, size: int) -> None:
    claimed = sum(info.file_size for info in archive.infolist())
    if claimed > max(PLAUSIBLE_BYTES, PLAUSIBLE_RATIO * size):
        raise ValueError(
            f"it claims to hold {claimed:,} bytes in a file of {size:,}, which nothing honest does"
        )


def check_if_zipped(path: str) -> None:
    """Looks at a file that another library will open: where it is a zip file, what it claims.

    Raises:
        OSError: it cannot be read.
        ValueError: as in `opened`.
    """
    if zipfile.is_zipfile(path):
        with opened(path):
            pass


def read_member(archive: zipfile.ZipFile, name: str, most_bytes: int) -> bytes:
    """A member as it is.

    Args:
        archive: see `opened`.
        name: of the member.
        most_bytes: what it may take.

    Raises:
        ValueError: there is no such member, or it takes more.
    """
    size = _info(archive, name).file_size
    if size > most_bytes:
        raise ValueError(f"its {name} takes {size:,} bytes; {most_bytes:,} are the most")
    return archive.read(name)


def read_arrays(source: str | BinaryIO, names: Sequence[str]) -> list[np.ndarray]:
    """Arrays of an .npz file; pickles are never loaded.

    Args:
        source: see `opened`.
        names: of the arrays, as `np.savez` was given them.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no .npz file, is damaged, lacks an array, or claims too much.
    """
    with opened(source) as archive:
        return [read_array(archive, f"{name}.npy") for name in names]


def read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """A member that is an array.

    Args:
        archive: see `opened`.
        name: of the member, such as `scores.npy`.

    Raises:
        ValueError: it is not there, is no array, or holds Python's objects.
    """
    with archive.open(_info(archive, name)) as member:
        read_header(archive, name, member)
        member.seek(0)
        return np.lib.format.read_array(member, allow_pickle=False)


def read_npy(path: str) -> np.ndarray:
    """The array of an .npy file; pickles are never loaded.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no such file, or of another size than it says.
    """
    with open(path, "rb") as file:
        _read_header(file, os.path.basename(path), os.fstat(file.fileno()).st_size)
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)


def read_header(archive: zipfile.ZipFile, name: str, member: Any) -> Header:
    """What an array is, by the first bytes of its member, which must have as many as it says.

    Raises:
        ValueError: it is no array, holds Python's objects, or is of another size.
    """
    return _read_header(member, name, _info(archive, name).file_size)


def _read_header(member: Any, name: str, size: int) -> Header:
    version = np.lib.format.read_magic(member)
    if version not in _HEADER_READERS:
        raise ValueError(f"its {name} is of the unknown version {version}")
    try:
        shape, by_columns, dtype = _HEADER_READERS[version](member)
    except Exception as error:  # noqa: BLE001  It is Python: what parsing that raises.
        reason = first_line(error).rstrip(".")
        raise ValueError(f"the header of its {name} cannot be read ({reason})") from None
    if dtype.hasobject:
        raise ValueError(f"its {name} holds Python's objects, which are not loaded")
    needed = dtype.itemsize
    for length in shape:  # In Python's integers, which do not overflow.
        needed *= length
    held = size - member.tell()
    if min(shape, default=0) < 0 or needed != held:
        raise ValueError(f"its {name} says it is {shape} of {dtype}, and holds {held:,} bytes")
    return shape, by_columns, dtype


def _info(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    try:
        return archive.getinfo(name)
    except KeyError:
        raise ValueError(f"it has no {name}") from None
