"""Windows, and what is told of scores: text, tables, subtitles, charts."""

import csv
import dataclasses
import json
import warnings

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from yt8m.base.errors import UserError
from yt8m.prediction import captions, chart, tables, video_paths
from yt8m.prediction.answers import Answer, Naming, Window, Windows
from yt8m.prediction.timeline import Timeline

NAMES = ["cat", "dog", "Ärger, groß\nzweite Zeile", "$x$"]
SCORES = np.array(
    [[0.9, 0.05, 0.0, 0.0], [0.7, 0.3, 0.0, 0.0], [0.5, 0.4, 0.0, 0.0], [0.0, 0.0, 0.05, 0.0]],
    np.float32,
)


@pytest.fixture
def answer():
    """A video of four windows of two seconds, one a second."""
    windows = Windows(2.0, 1.0).of(5.0)
    return Answer("a/b.mp4", 5.0, SCORES.mean(axis=0), windows, SCORES)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        (5.0, [(0, 2), (1, 3), (2, 4), (3, 5)]),
        (5.5, [(0, 2), (1, 3), (2, 4), (3, 5), (4, 5.5)]),
        (2.0, [(0, 2)]),
        (2.0 + 1e-9, [(0, 2)]),
        (2.0015, [(0, 2)]),
        (0.04, [(0, 0.04)]),
    ],
)
def test_windows_cover_a_video_to_its_end(duration, expected):
    found = [(w.start, pytest.approx(w.end)) for w in Windows(2.0, 1.0).of(duration)]
    assert found == expected


def test_every_window_begins_before_the_last_frame_ends():
    """What follows is rounded: files that count in milliseconds are up to two longer."""
    for duration in (2.001, 2.0019, 1.9):
        windows = [w.start for w in Windows(1.0, 1.0).of(duration)]
        assert windows == [0.0, 1.0]
    assert Windows(0.001, 0.0005).of(2.0)[-1].start < 1.998
    assert [w.start for w in Windows(0.001, 0.0005).of(0.001)] == [0.0]


@pytest.mark.parametrize(("seconds", "hop"), [(1, 2), (1, 0), (0, 0), (float("inf"), 1)])
def test_windows_must_leave_nothing_out(seconds, hop):
    with pytest.raises(UserError, match="no longer than a window"):
        Windows(seconds, hop)


def test_a_window_speaks_for_the_time_that_is_nearest_to_it(answer):
    cells = [(cell.start, cell.end) for cell in answer.cells()]
    assert cells == [(0.0, 1.5), (1.5, 2.5), (2.5, 3.5), (3.5, 5.0)]


def test_the_best_classes_have_names(answer):
    assert tables.show(answer, Naming(NAMES, 2)) == "a/b.mp4\n  0.5250  cat\n  0.1875  dog"
    assert tables.show(answer, Naming(None, 1)) == "a/b.mp4\n  0.5250  class 0"
    assert [named.number for named in Naming(None, 9).best(np.zeros(3))] == [0, 1, 2]
    assert tables.show(answer, Naming(["a\n\x1b[31m", *NAMES[1:]], 1)).count("\n") == 1


def test_captions_join_windows_of_the_same_classes(answer, tmp_path):
    shown = captions.captions(answer, Naming(NAMES, 3), 0.1)
    assert [(c.start, c.end) for c in shown] == [(0.0, 1.5), (1.5, 3.5)]
    assert [named.score for named in shown[1].best] == pytest.approx([0.6, 0.35])
    captions.write_subtitles(str(tmp_path / "b.srt"), shown)
    assert (tmp_path / "b.srt").read_text().split("\n") == [
        "1",
        "00:00:00,000 --> 00:00:01,500",
        "cat 90%",
        "",
        "2",
        "00:00:01,500 --> 00:00:03,500",
        "cat 60%",
        "dog 35%",
        "",
        "",
    ]
    low = captions.captions(answer, Naming(NAMES, 1), 0.01)
    assert low[-1].lines == ["Ärger, groß zweite Zeile 5%"]  # An empty line would end a subtitle.


def test_subtitles_of_hours(tmp_path):
    late = captions.Caption(3599.9996, 36_000.5, ())
    captions.write_subtitles(str(tmp_path / "b.srt"), [late])
    assert "01:00:00,000 --> 10:00:00,500" in (tmp_path / "b.srt").read_text()


def test_tables_of_videos_and_windows(answer, tmp_path):
    naming = Naming(NAMES, 2)
    described = tables.describe(answer, naming)
    tables.write(str(tmp_path / "all.csv"), [described, described], {})
    with open(tmp_path / "all.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["video"], row["rank"], row["class"], row["name"]) for row in rows[:2]] == [
        ("a/b.mp4", "1", "0", "cat"),
        ("a/b.mp4", "2", "1", "dog"),
    ]
    assert float(rows[3]["score"]) == pytest.approx(0.1875) and len(rows) == 4
    tables.write_timeline(str(tmp_path / "time.csv"), answer, naming)
    with open(tmp_path / "time.csv", encoding="utf-8", newline="") as file:
        last = list(csv.DictReader(file))[-2]
    assert (last["start"], last["end"], last["name"]) == ("3.000", "5.000", NAMES[2])
    tables.write(str(tmp_path / "all.JSON"), [described], {"model": "moe"})
    written = json.loads((tmp_path / "all.JSON").read_text())
    assert written["model"] == "moe" and written["videos"][0]["seconds"] == 5.0
    assert written["videos"][0]["classes"][1]["name"] == "dog"
    assert written["videos"][0]["timeline"][1]["start"] == 1.0
    with pytest.raises(UserError, match=r"must end in \.csv or \.json. Received: a\.txt"):
        tables.check_ending("a.txt")


def test_a_chart_has_a_line_for_each_of_the_best_classes(answer, tmp_path):
    path = str(tmp_path / "chart.png")
    chart.write_chart(path, answer, Naming(NAMES, 2))
    two = matplotlib.image.imread(path)
    chart.write_chart(path, answer, Naming(NAMES, 4))
    four = matplotlib.image.imread(path)
    colors = [len(np.unique(image.reshape(-1, 4), axis=0)) for image in (two, four)]
    assert two.shape[:2] == (540, 1200) and colors[1] > colors[0] > 3
    single = Answer("$x.mp4", 0.1, SCORES[0], [Window(0, 0.1)], SCORES[:1])
    chart.write_chart(path, single, Naming(None, 1))


def test_a_chart_has_every_name_as_it_is(answer, tmp_path, monkeypatch):
    """A name that begins with `_`, formulas, escapes, bytes that are no UTF-8, unknown letters."""
    found = []
    save = Figure.savefig

    def saved(figure, *args, **kwargs):
        (legend,), (axes,) = figure.legends, figure.axes
        found.extend(text.get_text() for text in legend.get_texts())
        found.append(axes.get_title("left"))
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", saved)
    odd = dataclasses.replace(answer, video="a/\udcff$x^{$.mp4")
    names = ["_background_", "$x$ \\$", "a\nb\x1b", "猫" * 50]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chart.write_chart(str(tmp_path / "chart.png"), odd, Naming(names, 4))
    expected = ["_background_", "$x$ \\$", "a\\nb\\x1b", "猫" * 37 + "...", "\ufffd$x^{$.mp4"]
    assert found == expected


def test_letters_that_the_font_lacks_are_told(tmp_path, caplog):
    paths = [str(tmp_path / "a.mp4")]
    for formats, told in ((["csv", "srt"], 0), (["png"], 1)):
        caplog.clear()
        Timeline(str(tmp_path / "out"), formats, Naming(["cat", "猫\n"], 1), 0.1, paths)
        assert len(caplog.messages) == told
    assert "have 1 letters that DejaVu Sans does not have, such as 猫:" in caplog.messages[0]


def test_videos_are_found(tmp_path):
    (tmp_path / "folder").mkdir()
    for name in ("b.mp4", "a.MOV", "notes.txt"):
        (tmp_path / "folder" / name).touch()
    odd = tmp_path / "odd.gif"
    odd.touch()
    folder = str(tmp_path / "folder")
    found = video_paths.find([str(odd), folder, str(tmp_path / "folder" / "b.mp4")])
    assert found == [str(odd), f"{folder}/a.MOV", f"{folder}/b.mp4"]
    for given, message in [
        ([], "No video is named"),
        ([f"{folder}/c.mp4"], "There is no file or folder .*c.mp4"),
    ]:
        with pytest.raises(UserError, match=message):
            video_paths.find(given)
