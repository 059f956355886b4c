"""An array of an .npz file that stays on the disk."""

from __future__ import annotations

import struct
import zipfile

import numpy as np

# The header that a ZIP file has before the name of a member: the lengths of that name and of an
# extra field, which follow it, are at 26.
_HEADER = 30
_LENGTHS = 26


def map_array(path: str, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Maps an array into memory where it lies in the file as it is; else reads it.

    `np.savez` writes so, but for arrays of unusual types; `np.savez_compressed` does not.

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
        version = np.lib.format.read_magic(member)
        if info.compress_type != zipfile.ZIP_STORED or version != (1, 0):
            member.seek(0)
            return np.lib.format.read_array(member, allow_pickle=False)
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(member)
        start = member.tell()
    with open(path, "rb") as file:
        file.seek(info.header_offset + _LENGTHS)
        between = sum(struct.unpack("<HH", file.read(4)))
    offset = info.header_offset + _HEADER + between + start
    return np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")
