"""Ids as bytes and as text, and which record of an id counts."""

import csv
import io

import pytest

from yt8m.data.ids import FirstRecords, as_bytes, as_text, shown


@pytest.mark.parametrize("video_id", [b"", b"plain", "é \u4e00".encode(), b"\xff\x00cut\xc3"])
def test_bytes_come_back_whatever_they_are(video_id):
    text = as_text(video_id)
    assert as_bytes(text) == video_id
    file = io.StringIO(newline="")
    csv.writer(file).writerow([text])
    assert next(csv.reader(io.StringIO(file.getvalue(), newline=""))) == [text]
    shown(video_id).encode()  # Any terminal can print it.


def test_the_first_record_of_an_id_counts(caplog):
    known = FirstRecords()
    known.warn()
    assert not caplog.records
    assert [known.add(name) for name in "abacaab"] == [True, True, False, True, False, False, False]
    assert (len(known), known.num_repeated) == (3, 4)
    known.warn()
    assert "4 records have the id of an earlier one; they are left out." in caplog.text
