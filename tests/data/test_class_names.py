"""Names of classes from CSV files, sound and malformed."""

import gzip

import pytest
from paths import SHARED

from yt8m.base.errors import UserError
from yt8m.data import class_names

DATA = SHARED / "data"

YOUTUBE8M = """\
Index,TrainVideoCount,KnowledgeGraphId,Name,WikiUrl
2,415,/m/02mjmr,"Concert, live",https://en.wikipedia.org/wiki/Concert
0,788,/m/03bt1gh,Game,https://en.wikipedia.org/wiki/Game
1,12,/m/0dxrf,,
"""
AUDIOSET = """\
index,mid,display_name
0,/m/09x0r,"Speech"
1,/m/05zppz,"Male speech, man speaking"
2,/m/0ytgt,"Enfant \u00e0 l'\u00e9cole"
"""


@pytest.fixture
def read(tmp_path):
    """Reads a vocabulary of a text."""

    def make(text: str | bytes, num_classes: int | None = 3) -> list[str]:
        path = tmp_path / "vocabulary.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return class_names.read(str(path), num_classes)

    return make


def test_reads_the_vocabulary_of_youtube8m(read):
    assert read(YOUTUBE8M) == ["Game", "/m/0dxrf", "Concert, live"]


def test_reads_the_vocabulary_of_audioset(read):
    expected = ["Speech", "Male speech, man speaking", "Enfant \u00e0 l'\u00e9cole"]
    assert read(AUDIOSET) == expected
    assert read(b"\xef\xbb\xbf" + AUDIOSET.replace("\n", "\r\n").encode()) == expected


def test_classes_without_a_line_or_a_name(read):
    assert read("Index,Name\n2,Two\n0,\n", 4) == ["class 0", "class 1", "Two", "class 3"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first line must name the columns Index and Name"),
        ("id,label\n0,Game\n", "Received: 'id,label'"),
        ("Index,Name\n", "names no class"),
        ("Index,Name\n0,Game\nx,Car\n", "line 3, must hold a class number and a name.*'x'"),
        ("Index,Name\n-1,Game\n", "line 2, .*'-1'"),
        ("Index,Name\n0.5,Game\n", "line 2, .*'0.5'"),
        ("Index,Name\n\N{ARABIC-INDIC DIGIT ONE},Game\n", "line 2, must hold a class number"),
        ("Index,Name\n0\n", "line 2, must hold"),
        ("Index,Name\n3,Game\n", "line 2, names class 3, but there are the classes 0 to 2"),
        ("Index,Name\n1,Game\n0,Car\n1,Car\n", "line 4, is the second one of class 1"),
        ('Index,Name\n0,"Game\n', "Cannot read the vocabulary"),
        (b"Index,Name\n0,\xff\xfe\n", "Cannot read the vocabulary"),
        ("Index,Name\n0,Game\n".encode("utf-16"), "is UTF-16, not text in UTF-8"),
        ("Index,Name\n" + "\n" * 9999 + "0,\0\n", "line 10001, names class 0 with a byte of 0"),
        ("Index,Name\n0," + "a" * (2 << 20), "a line of more than 1 MB"),
        (b"PK\x03\x04", "is a zip archive or an Excel workbook"),
    ],
    ids=[
        "empty",
        "other columns",
        "no class",
        "no number",
        "negative",
        "a fraction",
        "other digits",
        "a field missing",
        "outside",
        "twice",
        "an open quote",
        "no text",
        "other text",
        "bytes of 0",
        "a long line",
        "an archive",
    ],
)
def test_a_malformed_vocabulary_is_named(text, message, read, tmp_path):
    with pytest.raises(UserError, match=message) as error:
        read(text)
    assert str(tmp_path / "vocabulary.csv") in str(error.value)


def test_a_vocabulary_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.csv: No such file"):
        class_names.read(str(tmp_path / "none.csv"), 3)
    with pytest.raises(UserError, match="Is a directory"):
        class_names.read(str(tmp_path), 3)


def test_a_vocabulary_may_be_compressed(read):
    assert read(gzip.compress(YOUTUBE8M.encode())) == read(YOUTUBE8M)


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.is_dir(), reason="the real data are not beside the checkout")
def test_real_vocabularies():
    names = class_names.read(str(DATA / "vocabulary" / "vocabulary.csv"), 3862)
    assert names[:4] == ["Game", "Video game", "Vehicle", "Concert"]
    assert names[120] == "/m/0dxrf"
    assert all(names)
    segments = DATA / "vocabulary" / "segment_vocabulary_2019.csv"
    names = class_names.read(str(segments), 3862)
    assert names[2:4] == ["class 2", "Concert"]
    names = class_names.read(str(DATA / "audioset_frame" / "class_labels_indices.csv"), 527)
    assert names[0] == "Speech"
    assert names[1] == "Male speech, man speaking"
    assert len(set(names)) == 527
    with pytest.raises(UserError, match=r"names class \d+, but there are the classes 0 to 526"):
        class_names.read(str(DATA / "vocabulary" / "vocabulary.csv"), 527)


def test_reads_a_name_a_line(tmp_path):
    path = tmp_path / "label_map.txt"
    path.write_text("abseiling\nair drumming, loud\n\nzumba\n\n")
    assert class_names.read(str(path), 4) == ["abseiling", "air drumming, loud", "class 2", "zumba"]
    assert len(class_names.read(str(path))) == 4
    with pytest.raises(UserError, match=r"line 4, names class 3, but there are the classes 0 to 2"):
        class_names.read(str(path), 3)


def test_what_is_written_is_read(tmp_path):
    names = ["Game", 'a "b", c', "d\ne", "class 3"]
    path = str(tmp_path / "vocabulary.csv")
    class_names.write(path, names)
    assert class_names.read(path, 4) == names
    assert class_names.read(path) == names


def test_a_class_number_without_end_is_refused(read):
    with pytest.raises(UserError, match="names class 99999999, but classes are below 10,000,000"):
        read("Index,Name\n99999999,Game\n", None)
