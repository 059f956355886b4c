"""Submission files: the bytes of the original writer, and what is said of bad ones."""

import json
from pathlib import Path

import numpy as np
import pytest
from npz import arrays
from paths import GOLDEN

from yt8m import metrics
from yt8m.base.errors import UserError
from yt8m.evaluation import report
from yt8m.submissions import video_file


def test_rows_are_those_of_the_starter_code_byte_for_byte():
    golden = arrays(GOLDEN / "csv_rows.npz")
    scores, classes = metrics.top_k(golden["predictions"], int(golden["top_k"]))
    rows = video_file.format_rows(golden["video_ids"], classes, scores)
    assert "".join(rows).encode() == golden["csv"].tobytes()


def write(tmp_path, text: str) -> str:
    path = tmp_path / "submission.csv"
    path.write_text(text)
    return str(path)


def test_rows_are_read_as_they_were_written(tmp_path):
    classes = np.array([[3, 0], [1, 2]])
    scores = np.array([[0.5, 1e-7], [0.25, 0.125]], np.float32)
    rows = "".join(video_file.format_rows(["-a", "NA"], classes, scores))
    path = write(tmp_path, video_file.HEADER + "\n" + rows)
    assert list(video_file.read_rows(path, 4)) == [
        ("-a", [3, 0], [0.5, 1e-7]),
        ("NA", [1, 2], [0.25, 0.125]),
    ]


def test_a_file_with_quotes_and_windows_line_ends(tmp_path):
    path = write(tmp_path, 'VideoId,LabelConfidencePairs\r\n"a","1 0.5"\r\nb,\r\n')
    assert list(video_file.read_rows(path, 4)) == [("a", [1], [0.5]), ("b", [], [])]


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("a", "id,class score"),
        ("a,1", "id,class score"),
        ("a,1 0.5,2", "id,class score"),
        ("a,x 0.5", "pairs of a class and a score"),
        ("a,1 x", "pairs of a class and a score"),
        ("a,4 0.5", "class 4, outside 0 to 3"),
        ("a,-1 0.5", "class -1, outside 0 to 3"),
        ("a,1 0.5 1 0.4", "class twice"),
        ("a,1 1e39", "no finite float32"),
        ("a,1 nan", "no finite float32"),
        ("a,0_1 0.5", "pairs of a class and a score"),
        ("a,1 0.5_0", "pairs of a class and a score"),
        ("a,\N{ARABIC-INDIC DIGIT THREE} 0.5", "pairs of a class and a score"),
        (f"a,{'9' * 4000} 0.5", "outside 0 to 3"),
        (f"a,{'9' * 5000} 0.5", "pairs of a class and a score"),
    ],
)
def test_a_bad_line_is_named(line, part, tmp_path):
    path = write(tmp_path, f"{video_file.HEADER}\nok,1 0.5\n{line}\n")
    with pytest.raises(UserError, match="line 3") as error:
        list(video_file.read_rows(path, 4))
    assert part in str(error.value) and len(str(error.value)) < 400


def test_a_file_that_is_no_submission(tmp_path):
    with pytest.raises(UserError, match="first line must be VideoId,LabelConfidencePairs"):
        list(video_file.read_rows(write(tmp_path, "hello\n"), 4))
    with pytest.raises(UserError, match="first line"):
        list(video_file.read_rows(write(tmp_path, ""), 4))
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="is UTF-16, not text in UTF-8"):
        list(video_file.read_rows(str(tmp_path / "binary.csv"), 4))


@pytest.mark.parametrize("video_id", ['a,"b', "line\nend", "\udcff"])
def test_ids_of_any_bytes_come_back(video_id, tmp_path):
    row = next(video_file.format_rows([video_id], np.array([[1]]), np.array([[0.5]])))
    path = tmp_path / "submission.csv"
    text = f"{video_file.HEADER}\n{row}"
    path.write_bytes(text.encode("utf-8", errors="surrogateescape"))
    assert [row[0] for row in video_file.read_rows(str(path), 4)] == [video_id]


def test_an_evaluation_is_written_as_json_and_csv(tmp_path):
    state = metrics.Evaluation(3, top_k=2)
    state.update(np.array([[0.9, 0.5, 0.1]], np.float32), np.array([[1, 0, 0]]), loss=0.25)
    path = report.write(
        str(tmp_path / "eval"), "name", state.result() | {"step": 7}, state.per_class()
    )
    values = json.loads(Path(path).read_text())
    assert (values["gap"], values["loss"], values["step"]) == (1.0, 0.25, 7)
    lines = (tmp_path / "eval" / "name-classes.csv").read_text().splitlines()
    assert lines[0].startswith("class,positives,average_precision")
    assert lines[1].startswith("0,1,1,1,")
    assert lines[2].startswith("1,0,,,")
