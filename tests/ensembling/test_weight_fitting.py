"""Fitted weights: what they maximise, against plain loops, and that they are no worse."""

import itertools
import random

import numpy as np
import pytest

from yt8m.ensembling import fitting
from yt8m.ensembling.fitting import SegmentObjective, VideoLabels, VideoObjective, fit
from yt8m.ensembling.segments import SegmentEnsemble
from yt8m.ensembling.videos import METHODS, VideoEnsemble
from yt8m.submissions import segment_file, video_file

NUM_CLASSES = 30
VIDEOS = [f"v{number}" for number in range(60)]


def truth_of(seed: int = 0) -> dict[str, list[int]]:
    rng = random.Random(f"truth {seed}")
    return {name: sorted(rng.sample(range(NUM_CLASSES), rng.choice([0, 1, 3]))) for name in VIDEOS}


def write_file(path, truth: dict[str, list[int]], noise: float, seed: int, keep=1.0) -> str:
    """A submission of 8 classes a video, right where `noise` is 0; some videos are missing."""
    rng = random.Random(seed)
    lines = []
    for name, labels in truth.items():
        scores = [(0.5 * (c in labels) + noise * rng.random(), c) for c in range(NUM_CLASSES)]
        best = sorted(scores, reverse=True)[:8]
        if rng.random() < keep:
            lines.append(f"{name},{' '.join(f'{c} {score / 2:g}' for score, c in best)}\n")
    rng.shuffle(lines)
    path.write_text("VideoId,LabelConfidencePairs\n" + "".join(lines))
    return str(path)


def labels_of(ensemble: VideoEnsemble, truth: dict[str, list[int]]) -> VideoLabels:
    rows = [ensemble.index.rows[name.encode()] for name in truth]
    classes = list(itertools.chain(*truth.values()))
    ends = np.cumsum([len(labels) for labels in truth.values()])
    return VideoLabels(np.array(rows), np.array(classes), ends)


def gap(path: str, truth: dict[str, list[int]], top_k: int) -> float:
    """GAP of a file without equal scores."""
    pairs = []
    for name, classes, scores in video_file.read_rows(path, NUM_CLASSES):
        pairs += [(s, c in truth[name]) for c, s in zip(classes[:top_k], scores, strict=False)]
    hits = total = 0
    for place, (_, hit) in enumerate(sorted(pairs, reverse=True), start=1):
        hits += hit
        total += hit * hits / place
    return total / sum(map(len, truth.values()))


@pytest.fixture
def files(tmp_path):
    truth = truth_of()
    settings = [(0.7, 1, 1.0), (0.9, 2, 0.8), (1.1, 3, 0.9)]
    paths = [
        write_file(tmp_path / f"{seed}.csv", truth, noise, seed, keep)
        for noise, seed, keep in settings
    ]
    return paths, truth


@pytest.mark.parametrize("weights", [(1, 1, 1), (0.2, 0.5, 0.3), (0.5, 0, 0.5), (0, 1, 0)], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_what_is_maximised_is_the_gap_of_what_is_written(method, weights, files, tmp_path):
    paths, truth = files
    ensemble = VideoEnsemble(paths, method, NUM_CLASSES)
    for top_k in (5, 20):
        value = VideoObjective(ensemble, labels_of(ensemble, truth), top_k)(np.array(weights))
        ensemble.write(str(tmp_path / "out.csv"), np.array(weights), top_k)
        assert value == pytest.approx(gap(str(tmp_path / "out.csv"), truth, top_k), abs=2e-4)
        if sum(weights) == max(weights):
            assert value == pytest.approx(gap(paths[1], truth, top_k), abs=2e-4)


@pytest.mark.parametrize("method", METHODS)
def test_fitted_weights_are_no_worse_than_equal_ones_or_any_file(method, files):
    paths, truth = files
    ensemble = VideoEnsemble(paths, method, NUM_CLASSES)
    objective = VideoObjective(ensemble, labels_of(ensemble, truth), 5)
    fitted = fit(objective, 3)
    assert fitted.value == objective(fitted.weights)
    assert fitted.equal == pytest.approx(objective(np.ones(3)), abs=1e-12)
    assert fitted.alone.tolist() == [objective(row) for row in np.eye(3)]
    assert fitted.value >= max(fitted.equal, *fitted.alone)
    assert (fitted.weights >= 0).all()
    assert fitted.weights.sum() == pytest.approx(1, abs=2e-6)
    again = fit(VideoObjective(ensemble, labels_of(ensemble, truth), 5), 3)
    assert again.weights.tolist() == fitted.weights.tolist()


def test_a_file_that_is_right_gets_the_weight(tmp_path):
    truth = truth_of()
    noises = [2.0, 0.3, 2.0]
    paths = [
        write_file(tmp_path / f"{number}.csv", truth, noise, number)
        for number, noise in enumerate(noises)
    ]
    ensemble = VideoEnsemble(paths, "mean", NUM_CLASSES)
    fitted = fit(VideoObjective(ensemble, labels_of(ensemble, truth), 5), 3)
    assert fitted.value == fitted.alone[1] == 1.0
    assert fitted.equal < 0.95
    assert np.argmax(fitted.weights) == 1


def test_complementary_files_beat_each_and_equal_weights():
    """The optimum is inside, away from every start."""
    fitted = fit(lambda w: -float(((w / w.sum() - [0.6, 0.3, 0.1, 0.0]) ** 2).sum()), 4)
    assert fitted.weights == pytest.approx([0.6, 0.3, 0.1, 0.0], abs=0.03)
    assert fitted.value > max(fitted.equal, *fitted.alone)


def test_a_file_that_only_alone_is_good_is_found():
    fitted = fit(lambda w: float(w[2] == w.sum()), 4)
    assert fitted.weights.tolist() == [0, 0, 1, 0]


def test_a_fit_looks_at_so_many_videos_and_no_more(files, monkeypatch):
    paths, truth = files
    ensemble = VideoEnsemble(paths, "mean", NUM_CLASSES)
    labels = labels_of(ensemble, truth)
    assert VideoObjective(ensemble, labels, 5).title == "GAP@5 on 60 videos"
    monkeypatch.setattr(fitting, "_BLOCK_VIDEOS", 10)
    whole = VideoObjective(ensemble, labels, 5)
    monkeypatch.setattr(fitting, "_MOST_LISTINGS", 300)
    assert VideoObjective(ensemble, labels, 5).title == "GAP@5 on 20 videos"
    monkeypatch.undo()
    assert VideoObjective(ensemble, labels, 5)(np.ones(3)) == whole(np.ones(3))
    monkeypatch.setattr(fitting, "MOST_VIDEOS", 7)
    assert VideoObjective(ensemble, labels, 5).title == "GAP@5 on 7 videos"


def segment_files(folder, seed: int = 0):
    """Files of two classes, and a third without a line; what is rated, and how."""
    rng = random.Random(seed)
    names = [f"v{number}:{start}" for number in range(30) for start in (0, 5)]
    rated = {c: {name: rng.random() < 0.4 for name in rng.sample(names, 25)} for c in (1, 4, 5)}
    rated[6] = {"v0:0": False}
    paths = []
    for noise in (0.8, 1.2):
        lines = ["Class,Segments\n"]
        for c in (4, 1):
            score = {name: rated[c].get(name, False) + noise * rng.random() for name in names}
            ranked = sorted(names, key=score.get, reverse=True)[:40]
            lines.append(segment_file.format_row(c, ranked))
        paths.append(folder / f"{noise}.csv")
        paths[-1].write_text("".join(lines))
    return [str(path) for path in paths], rated


def mean_average_precision(path: str, rated: dict[int, dict[str, bool]]) -> float:
    lists = dict(segment_file.read_rows(path, NUM_CLASSES))
    values = []
    for c, ratings in rated.items():
        hits = total = place = 0
        for name in lists.get(c, []):
            place += name in ratings
            hits += ratings.get(name, False)
            total += hits / place if ratings.get(name) else 0
        if any(ratings.values()):
            values.append(total / sum(ratings.values()))
    return sum(values) / len(values)


def segment_objective(ensemble: SegmentEnsemble, rated) -> SegmentObjective:
    lists = [(c, list(own), np.array(list(own.values()))) for c, own in sorted(rated.items())]
    return SegmentObjective(ensemble, lists, sum(map(len, rated.values())))


@pytest.mark.parametrize("weights", [(0.61, 0.39), (1, 0), (0, 1)], ids=str)
@pytest.mark.parametrize("method", METHODS)
def test_what_is_maximised_is_the_map_of_what_is_written(method, weights, tmp_path):
    paths, rated = segment_files(tmp_path)
    ensemble = SegmentEnsemble(paths, method, NUM_CLASSES)
    objective = segment_objective(ensemble, rated)
    ensemble.write(str(tmp_path / "out.csv"), np.array(weights), 1000)
    wanted = mean_average_precision(str(tmp_path / "out.csv"), rated)
    assert objective(np.array(weights)) == pytest.approx(wanted, abs=1e-6)
    assert objective.title == "MAP@100000 on 76 rated segments"


def test_weights_of_segments_are_no_worse_than_equal_ones_or_any_file(tmp_path, monkeypatch):
    paths, rated = segment_files(tmp_path)
    ensemble = SegmentEnsemble(paths, "mean", NUM_CLASSES)
    fitted = fit(segment_objective(ensemble, rated), 2)
    assert fitted.value >= max(fitted.equal, *fitted.alone)
    assert fitted.alone[0] == pytest.approx(mean_average_precision(paths[0], rated))
    monkeypatch.setattr(fitting, "MOST_RATINGS", 30)
    drawn = segment_objective(ensemble, rated)
    assert drawn.title == "MAP@100000 on 26 rated segments"
    assert 0 < drawn(np.ones(2)) < 1
