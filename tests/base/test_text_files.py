"""Text files of users that are something else, or compressed."""

import gzip
import itertools
import tracemalloc

import pytest

from yt8m.base import archives, text_files
from yt8m.base.errors import UserError


@pytest.fixture
def read(tmp_path):
    """Reads a file of some bytes as text."""

    def make(content: bytes, errors: str = "strict") -> str:
        path = tmp_path / "a.csv"
        path.write_bytes(content)
        with text_files.opened(str(path), errors) as file:
            return file.read()

    return make


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_text_is_read_as_it_is_or_packed_without_a_mark(read, pack):
    for text in ("", "a", "id,é\r\nb\rc\n" * 9999):
        assert read(pack(text.encode())) == text
        assert read(pack(text.encode("utf-8-sig"))) == text
    assert read(pack(b"caf\xe9"), "surrogateescape") == "caf\udce9"
    with pytest.raises(UnicodeDecodeError):
        read(pack(b"caf\xe9"))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("id,é".encode("utf-16"), "is UTF-16, not text in UTF-8: save it as plain text in UTF-8."),
        ("id,é".encode("utf-16-be"), "holds bytes of 0: it is UTF-16 without a mark, or no text"),
        ("id".encode("utf-32"), "is UTF-32"),
        (b"PK\x03\x04rest", "is a zip archive or an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1", "older Excel"),
        (b"BZh91AY", "compressed with bzip2.*: unpack it first"),
        (b"\xfd7zXZ\x00\x00", "compressed with xz"),
        (b"\x28\xb5\x2f\xfd\x00", "compressed with zstd"),
        (b"\x7fELF" + bytes(9), "holds bytes of 0"),
    ],
    ids=range(9),
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_is_no_such_text_is_named(read, content, part, pack):
    with pytest.raises(UserError, match=rf"a\.csv.*{part}"):
        read(pack(content))


def test_what_gzip_left_damaged_is_an_error_of_reading(read):
    whole = gzip.compress(b"id,score\n" * 9999)
    damaged = (whole[:-9], whole[:40] + b"\xff" * 9 + whole[49:], whole + b"more", whole[:5])
    for content in damaged:
        with pytest.raises(OSError, match="damaged|gzip|CRC"):
            read(content)


def test_a_bomb_is_given_up_and_takes_no_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "PLAUSIBLE_BYTES", 8 << 20)
    path = tmp_path / "a.csv"
    path.write_bytes(gzip.compress(b"\n" * (64 << 20)))
    tracemalloc.start()
    with (
        pytest.raises(OSError, match="it unpacks to more than 8,388,608 bytes"),
        text_files.opened(str(path)) as file,
    ):
        for _ in file:
            pass
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("ab\nc\r\n" + "d" * (1 << 20))
    with text_files.opened(str(path)) as file:
        lines = text_files.lines(str(path), file)
        assert [next(lines), next(lines), len(next(lines))] == ["ab\n", "c\r\n", 1 << 20]
    with (
        pytest.raises(UserError, match=r"a\.csv has a line of more than 0 MB"),
        text_files.opened(str(path)) as file,
    ):
        list(text_files.lines(str(path), file, longest=999))


def test_a_file_of_empty_lines_is_given_up(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"a\n" + b"\n" * 999_999 + b"b\n" + b"\n" * 1_000_000))
    with text_files.opened(str(path)) as file:
        lines = text_files.lines(str(path), file)
        assert [line for line in itertools.islice(lines, 1_000_001) if line != "\n"] == [
            "a\n",
            "b\n",
        ]
        with pytest.raises(UserError, match=r"has 1,000,000 empty lines in a row: it is damaged"):
            list(lines)
