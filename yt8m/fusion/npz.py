"""An array of an .npz file that stays on the disk."""

from __future__ import annotations

import struct
import zipfile

import numpy as np

# What a ZIP file has before the name of a member (APPNOTE 4.3.7); its last two fields are the
# lengths of that name and of an extra field, which follow it.
_HEADER = struct.Struct("<26xHH")
_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def map_array(path: str, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Maps an array into memory where it lies in the file as it is; else reads it.

    `np.savez` writes arrays so, except those of unusual types; `np.savez_compressed` does not.

    Args:
        path: the file.
        archive: the same file, opened.
        name: of the array's member, such as `scores.npy`.

    Raises:
        KeyError: there is no such member.
        ValueError: it is no array.
    """
    info = archive.getinfo(name)
    with archive.open(info) as member:
        read_header = _HEADER_READERS.get(np.lib.format.read_magic(member))
        if info.compress_type == zipfile.ZIP_STORED and read_header is not None:
            shape, fortran, dtype = read_header(member)
            length = member.tell()
            member.seek(0)
            offset = _offset(path, info, member.read(length))
            if offset is not None and not dtype.hasobject:
                order = "F" if fortran else "C"
                return np.memmap(path, dtype, "r", offset + length, shape, order)
        member.seek(0)
        return np.lib.format.read_array(member, allow_pickle=False)


def _offset(path: str, info: zipfile.ZipInfo, beginning: bytes) -> int | None:
    """Where the content of a member begins in the file; None where it does not begin there so."""
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        offset = info.header_offset + _HEADER.size + sum(_HEADER.unpack(file.read(_HEADER.size)))
        file.seek(offset)
        return offset if file.read(len(beginning)) == beginning else None
