"""An array of an .npz file that stays on the disk."""

from __future__ import annotations

import struct
import zipfile

import numpy as np

from yt8m.base import archives

# What a ZIP file has before the name of a member (APPNOTE 4.3.7); its last two fields are the
# lengths of that name and of an extra field, which follow it.
_HEADER = struct.Struct("<26xHH")


def map_array(path: str, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Maps an array into memory where it lies in the file as it is; else reads it.

    `np.savez` writes arrays so, except those of unusual types; `np.savez_compressed` does not.

    Args:
        path: the file.
        archive: the same file, opened.
        name: of the array's member, such as `scores.npy`.

    Raises:
        ValueError: there is no such member, or it is no array.
    """
    if name in archive.namelist() and archive.getinfo(name).compress_type == zipfile.ZIP_STORED:
        info = archive.getinfo(name)
        with archive.open(info) as member:
            shape, by_columns, dtype = archives.read_header(archive, name, member)
            length = member.tell()
            member.seek(0)
            offset = _offset(path, info, member.read(length))
        if offset is not None:
            order = "F" if by_columns else "C"
            return np.memmap(path, dtype, "r", offset + length, shape, order)
    return archives.read_array(archive, name)


def _offset(path: str, info: zipfile.ZipInfo, beginning: bytes) -> int | None:
    """Where the content of a member begins in the file; None where it does not begin there so."""
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        offset = info.header_offset + _HEADER.size + sum(_HEADER.unpack(file.read(_HEADER.size)))
        file.seek(offset)
        return offset if file.read(len(beginning)) == beginning else None
