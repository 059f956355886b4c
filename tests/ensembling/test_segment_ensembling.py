"""Ensembles of submissions of segments against plain loops."""

import itertools
import math
import random

import numpy as np
import pytest

from yt8m.base.errors import UserError
from yt8m.ensembling.segments import SegmentEnsemble
from yt8m.ensembling.videos import METHODS
from yt8m.submissions import segment_file

NUM_CLASSES = 9


def random_files(seed: int) -> list[dict[int, list[str]]]:
    """Files as dicts: class -> segments, best first; some without a line for a class."""
    rng = random.Random(seed)
    names = [f"v{number}:{start}" for number in range(6) for start in (0, 5, 10)]
    files = []
    for _ in range(3):
        classes = rng.sample(range(NUM_CLASSES), 6)
        files.append({c: rng.sample(names, rng.choice([0, 3, 10])) for c in classes})
    return files


def write_all(folder, files) -> list[str]:
    paths = [folder / f"{number}.csv" for number in range(len(files))]
    for path, file in zip(paths, files, strict=True):
        rows = (f"{c},{' '.join(segments)}\n" for c, segments in file.items())
        path.write_text("Class,Segments\n" + "".join(rows))
    return [str(path) for path in paths]


def ensemble(folder, paths, method="mean", weights=(1, 1, 1), most=100) -> dict[int, list[str]]:
    path = str(folder / "out.csv")
    SegmentEnsemble(paths, method, NUM_CLASSES).write(path, np.array(weights), most)
    return dict(segment_file.read_rows(path, NUM_CLASSES))


def gain(method: str, place: int, length: int) -> float:
    """What place 1, 2, ... of a list adds."""
    if method == "mean":
        return (length + 1 - place) / length
    return math.log((length + 1) / place) if method == "geometric" else 1 / (60 + place)


def expected(method: str, files, weights, most: int) -> dict[int, list[str]]:
    result = {}
    for c in dict.fromkeys(itertools.chain(*files)):
        scores, places = {}, {}
        for file, weight in zip(files, weights, strict=True):
            listed = file.get(c, [])
            for place, name in enumerate(listed, start=1):
                gained = weight * gain(method, place, len(listed))
                scores[name] = scores.get(name, 0.0) + gained
                places[name] = min(places.get(name, place), place)
        ranked = sorted(scores, key=lambda n: (-np.float32(scores[n]), places[n], n))
        result[c] = ranked[:most]
    return result


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", METHODS)
def test_ensembles_are_those_of_plain_loops(method, seed, tmp_path):
    files = random_files(seed)
    weights, most = [(1, 1, 1), (0.6, 0.3, 0.1)][seed % 2], [5, 100][seed // 2]
    found = ensemble(tmp_path, write_all(tmp_path, files), method, weights, most)
    wanted = expected(method, files, weights, most)
    assert list(found.items()) == list(wanted.items())


def test_what_places_are_worth(tmp_path):
    paths = write_all(tmp_path, random_files(0))
    for method in METHODS:
        found = SegmentEnsemble(paths, method, NUM_CLASSES).gains(np.arange(7), 7)
        assert found.tolist() == pytest.approx([gain(method, place, 7) for place in range(1, 8)])


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_files_does_not_matter(method, tmp_path):
    paths = write_all(tmp_path, random_files(5))
    first = ensemble(tmp_path, paths, method)
    for order in itertools.permutations(paths):
        assert ensemble(tmp_path, list(order), method) == first


@pytest.mark.parametrize("method", METHODS)
def test_one_file_stays_what_it_is(method, tmp_path):
    files = random_files(1)[:1]
    assert ensemble(tmp_path, write_all(tmp_path, files), method, (0.5,)) == files[0]


def test_quotes_and_windows_line_ends(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_bytes(b'\xef\xbb\xbfClass,Segments\r\n"3 ","a:0 b:5"\r\n"02",a""b:0\r\n\r\n1,\r\n')
    wanted = dict(segment_file.read_rows(str(path), NUM_CLASSES))
    assert list(wanted) == [3, 2, 1]
    assert ensemble(tmp_path, [str(path)], weights=(1,)) == wanted


def test_classes_of_files_of_weight_0_are_left_out(tmp_path, caplog):
    paths = write_all(tmp_path, [{1: ["a:0"]}, {2: ["a:0"], 1: ["b:0"]}])
    with caplog.at_level("WARNING", logger="absl"):
        assert ensemble(tmp_path, paths, weights=(1, 0)) == {1: ["a:0"]}
    assert "0.csv has no line for 1 of 2 classes" in caplog.text
    assert "1 classes are left out" in caplog.text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("1,a:0\n1,b:0\n", "line 3 is the second line of class 1"),
        ("1,a:0\n2,b\n", "line 3 must hold segments as id:start"),
        ("1,a:0\n9,b:0\n", "line 3 names class 9, outside 0 to 8"),
        ("", "has no rows"),
    ],
)
def test_a_malformed_submission_of_segments_is_named(text, part, tmp_path):
    (tmp_path / "bad.csv").write_text("Class,Segments\n" + text)
    with pytest.raises(UserError, match=part):
        SegmentEnsemble([str(tmp_path / "bad.csv")], "mean", NUM_CLASSES)
