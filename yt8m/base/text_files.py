"""Text files of users: UTF-8, as it is or compressed with gzip; others are told what they are."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import zlib
from collections.abc import Iterator
from typing import BinaryIO, TextIO

from yt8m.base import archives
from yt8m.base.errors import UserError

_GZIP = b"\x1f\x8b"
_HEAD_BYTES = 1 << 12
# UTF-16 of Latin letters has a 0 in two bytes, and programs and pictures have many.
_PARTS = 16
_EMPTY = ("\n", "\r", "\r\n")
_MOST_EMPTY = 1_000_000
_SAVE = "save it as plain text in UTF-8"
_UNPACK = "unpack it first"
# How files begin that are given for text by mistake, what they are, and what to do with them.
_OTHER_FORMATS = {
    b"\xff\xfe\x00\x00": ("UTF-32", _SAVE),
    b"\x00\x00\xfe\xff": ("UTF-32", _SAVE),
    b"\xff\xfe": ("UTF-16", _SAVE),
    b"\xfe\xff": ("UTF-16", _SAVE),
    b"PK\x03\x04": ("a zip archive or an Excel workbook", f"{_UNPACK}, or {_SAVE}"),
    b"\xd0\xcf\x11\xe0": ("a file of an older Excel", _SAVE),
    b"BZh": ("compressed with bzip2", _UNPACK),
    b"\xfd7zXZ\x00": ("compressed with xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", _UNPACK),
    b"7z\xbc\xaf\x27\x1c": ("a 7-Zip archive", _UNPACK),
    b"%PDF": ("a PDF", _SAVE),
    b"\x89HDF": ("an HDF5 file", _SAVE),
    b"PAR1": ("a Parquet file", _SAVE),
}


@contextlib.contextmanager
def opened(path: str, errors: str = "strict") -> Iterator[TextIO]:
    """Opens a text file, whose line ends stay as they are.

    What is compressed with gzip is read as if it were not. It may unpack to as much as
    `archives.PLAUSIBLE_BYTES` and `archives.PLAUSIBLE_RATIO` allow.

    Args:
        path: the file; a byte order mark of UTF-8 is passed over.
        errors: what bytes do that are no UTF-8, as of `open`.

    Raises:
        UserError: it is no text in UTF-8, by its first bytes; says what it is.
        OSError: it cannot be read, also inside the block; or what gzip left is damaged.
        UnicodeDecodeError: inside the block, where bytes are no UTF-8 and `errors` is strict.
    """
    with open(path, "rb") as file:
        packed = file.peek(len(_GZIP)).startswith(_GZIP)
        binary = io.BufferedReader(_Unpacked(file)) if packed else file
        _check_text(path, binary.peek(_HEAD_BYTES)[:_HEAD_BYTES])
        with io.TextIOWrapper(binary, "utf-8-sig", errors, newline="") as text:
            yield text


def lines(path: str, file: TextIO, longest: int = 1 << 20) -> Iterator[str]:
    """The lines of a file of `opened`, none of which fills the memory and few of which are empty.

    Args:
        path: of the file, for the error.
        file: the file.
        longest: letters that a line may have.

    Raises:
        UserError: one has more, or a million in a row are empty.
    """
    empty = 0
    while line := file.readline(longest + 1):
        empty = empty + 1 if line in _EMPTY else 0
        if empty == _MOST_EMPTY:
            raise UserError(f"{path} has {_MOST_EMPTY:,} empty lines in a row: it is damaged.")
        if len(line) > longest:
            raise UserError(
                f"{path} has a line of more than {longest >> 20} MB. It is another file than this "
                "job takes, or its line ends are lost."
            )
        yield line


def is_packed(path: str) -> bool:
    """Whether a file is compressed with gzip, by its first bytes.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        return file.read(len(_GZIP)) == _GZIP


def _check_text(path: str, head: bytes) -> None:
    for start, (kind, advice) in _OTHER_FORMATS.items():
        if head.startswith(start):
            raise UserError(f"{path} is {kind}, not text in UTF-8: {advice}.")
    if head.count(b"\0") * _PARTS > len(head):  # An id may hold one.
        raise UserError(
            f"{path} holds bytes of 0: it is UTF-16 without a mark, or no text. If it is text, "
            f"{_SAVE}."
        )


class _Unpacked(io.RawIOBase):
    """What a file that is compressed with gzip holds, as long as it is plausible."""

    def __init__(self, file: BinaryIO):
        super().__init__()
        self._stream = gzip.GzipFile(fileobj=file)
        size = os.fstat(file.fileno()).st_size
        self._most = max(archives.PLAUSIBLE_BYTES, archives.PLAUSIBLE_RATIO * size)
        self._count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        try:
            content = self._stream.read(len(buffer))
        except (EOFError, zlib.error) as error:
            raise OSError(f"what gzip compressed is damaged ({error})") from None
        self._count += len(content)
        if self._count > self._most:
            raise OSError(f"it unpacks to more than {self._most:,} bytes, as no honest file does")
        buffer[: len(content)] = content
        return len(content)
