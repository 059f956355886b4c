"""The file of scores of views, protocols with fewer views, and clip and video Hit@k."""

import os
import shutil
import tracemalloc

import numpy as np
import pytest

from yt8m import metrics
from yt8m.base.errors import UserError
from yt8m.fusion import score_file
from yt8m.fusion.score_file import ScoreWriter
from yt8m.metrics.views import ViewEvaluation, whole_videos

CLASSES = ("run", "jump", "swim", "climb", "row", "fly", "dive")


def random_case(seed, num_videos=9, num_clips=4, num_crops=3, most_labels=3):
    """Ids, labels (padded ids) and scores of few values, so that many are equal."""
    rng = np.random.default_rng(seed)
    shape = (num_videos, num_clips, num_crops, len(CLASSES))
    scores = rng.integers(0, 4, shape).astype(np.float32) / 4
    labels = np.full((num_videos, most_labels), -1)
    for row in labels:
        count = rng.integers(1, most_labels + 1)
        row[:count] = rng.choice(len(CLASSES), count, replace=False)
    return [f"videos/{seed}/{n}.avi" for n in range(num_videos)], labels, scores


def write(path, ids, labels, scores, batch=4, num_videos=None, classes=CLASSES):
    with ScoreWriter(str(path), num_videos or len(ids), *scores.shape[1:3], classes) as writer:
        for start in range(0, len(ids), batch):
            rows = slice(start, start + batch)
            writer.add(ids[rows], labels[rows], scores[rows])
    return str(path)


def best_classes(row, k):
    """The k best classes, of equal scores the lower class first, by insertion."""
    order = []
    for number, score in enumerate(row):
        place = sum(1 for other in order if row[other] >= score)
        order.insert(place, number)
    return order[:k]


def slow_hits(labels, scores):
    """Clip Hit@1, video Hit@1 and video Hit@5 with loops."""
    views = videos = videos_5 = seen = 0
    for truth, clips in zip(labels.tolist(), scores.tolist(), strict=True):
        truth = {c for c in truth if c >= 0}
        rows = [crop for clip in clips for crop in clip]
        for row in rows:
            seen += 1
            views += best_classes(row, 1)[0] in truth
        mean = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        mean = [float(np.float32(value)) for value in mean]
        videos += best_classes(mean, 1)[0] in truth
        videos_5 += bool(truth & set(best_classes(mean, 5)))
    return [views / seen, videos / len(scores), videos_5 / len(scores)]


def hits(results):
    return [results[n] for n in ("clip_hit_at_1", "video_hit_at_1", "video_hit_at_5")]


@pytest.mark.parametrize("seed", range(8))
def test_hits_are_those_of_plain_loops(seed, tmp_path):
    ids, labels, scores = random_case(seed)
    expected = slow_hits(labels, scores)
    assert len(set(expected)) == 3  # Else one could stand for another.
    state = ViewEvaluation(len(CLASSES))
    for start in range(0, 9, 2):
        state.update(scores[start : start + 2], labels[start : start + 2])
    results = state.result()
    assert hits(results) == pytest.approx(expected, abs=1e-12)
    views = score_file.read(write(tmp_path / "a.npz", ids, labels, scores))
    again = views.evaluate().result()
    assert again == results
    assert (again["num_examples"], again["num_clips"], again["num_crops"]) == (9, 4, 3)


def test_other_metrics_are_those_of_the_mean_over_views():
    _, labels, scores = random_case(3)
    truth = np.zeros((9, len(CLASSES)), bool)
    for row, ids in zip(truth, labels, strict=True):
        row[ids[ids >= 0]] = True
    of_means = metrics.Evaluation(len(CLASSES), 2)
    of_means.update(scores.mean((1, 2)), truth, 0.5)
    state = ViewEvaluation(len(CLASSES), top_k=2)
    state.update(scores, truth, 0.5)
    expected, results = of_means.result(), state.result()
    assert set(expected) - set(results) == {"hit_at_1", "hit_at_5"}
    for name in set(expected) & set(results):
        assert results[name] == pytest.approx(expected[name]), name
    np.testing.assert_array_equal(state.per_class()["positives"], of_means.per_class()["positives"])


def test_evaluation_refuses_what_does_not_fit():
    state = ViewEvaluation(7)
    state.update(np.ones((2, 2, 1, 7)), [[0], [6]])
    for scores, labels, part in [
        (np.ones((2, 1, 2, 7)), [[0], [6]], r"before: \(2, 1\)"),
        (np.ones((2, 7)), [[0], [6]], r"shape=\(2, 7\)"),
        (np.full((2, 2, 1, 7), 1.5), [[0], [6]], "1.5"),
        (np.full((2, 2, 1, 7), np.nan), [[0], [6]], "NaN"),
        (np.ones((2, 2, 1, 7)), [[0], [7]], "below 7"),
        (np.ones((2, 2, 1, 7)), [[0]], "2 row"),
        (np.ones((2, 2, 1, 7)), np.ones((2, 6), bool), "7 columns"),
        (np.ones((2, 2, 1, 7)), np.ones((2, 6)), "bools or integers"),
    ]:
        with pytest.raises(ValueError, match=part):
            state.update(scores, labels)
    assert state.result()["num_examples"] == 2


def test_a_file_is_read_as_it_was_written(tmp_path):
    ids, labels, scores = random_case(0)
    ids[2] = "Übung, 2\udcff.avi"
    path = write(tmp_path / "new" / "a.npz", ids, labels, scores, num_videos=1000)
    assert os.listdir(tmp_path / "new") == ["a.npz"]
    views = score_file.read(path)
    assert isinstance(views.stored, np.memmap)
    with np.load(path) as held:
        assert sorted(held) == ["classes", "ids", "labels", "scores"]
        for found in (held["scores"], views.scores):
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, scores)
        np.testing.assert_array_equal(held["labels"], labels)
        np.savez_compressed(tmp_path / "small.npz", **held)
    assert (views.ids, views.classes) == (tuple(ids), CLASSES)
    np.testing.assert_array_equal(views.labels, labels)
    np.testing.assert_allclose(views.video_scores(), scores.mean((1, 2)), rtol=1e-6)
    small = score_file.read(str(tmp_path / "small.npz"))
    np.testing.assert_array_equal(small.scores, scores)


def test_bools_and_class_ids_are_the_same_labels(tmp_path):
    scores = np.zeros((3, 1, 1, 7), np.float32)
    truth = np.array([[0, 1, 0, 0, 1, 0, 1], [0] * 7, [1, 0, 0, 0, 0, 0, 0]], bool)
    with ScoreWriter(str(tmp_path / "a.npz"), 3, 1, 1, CLASSES) as writer:
        writer.add(["a"], truth[:1], scores[:1])
        writer.add(["b", "c"], np.array([[-1], [0]]), scores[1:])
    views = score_file.read(str(tmp_path / "a.npz"))
    np.testing.assert_array_equal(views.labels, [[1, 4, 6], [-1, -1, -1], [0, -1, -1]])


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_interrupted_writer_leaves_what_was_there(error, earlier, tmp_path):
    ids, labels, scores = random_case(0)
    path = tmp_path / "a.npz"
    if earlier:
        path.write_text("earlier")
    writer = ScoreWriter(str(path), 9, 4, 3, CLASSES)
    with pytest.raises(error), writer:
        writer.add(ids, labels, scores)
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["a.npz"] * earlier
    assert not earlier or path.read_text() == "earlier"


def test_a_writer_refuses_what_does_not_fit(tmp_path):
    ids, labels, scores = random_case(0)
    with pytest.raises(ValueError, match="num_clips=0"):
        ScoreWriter("a.npz", 9, 0, 3, CLASSES)
    with pytest.raises(ValueError, match="needs a video"):
        write(tmp_path / "a.npz", [], labels, scores, num_videos=9)
    with ScoreWriter(str(tmp_path / "a.npz"), 9, 4, 3, CLASSES) as writer:
        writer.add(ids[:8], labels[:8], scores[:8])
        for given, part in [
            ((ids[7:], labels[7:], scores[7:]), "no more than num_videos=9.*10"),
            ((ids[8:], labels[8:], scores[8:, :3]), r"\(1, 3, 3, 7\)"),
            ((ids[8:], labels[8:], scores[8:] - 1), "0, 1"),
            ((ids[8:], labels[8:] + 7, scores[8:]), "below 7"),
        ]:
            with pytest.raises(ValueError, match=part):
                writer.add(*given)
    assert score_file.read(str(tmp_path / "a.npz")).ids == tuple(ids[:8])


def test_a_writer_fails_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    writer = ScoreWriter(str(tmp_path / "file" / "a.npz"), 9, 4, 3, CLASSES)
    with pytest.raises(UserError, match="Cannot write"), writer:
        pass
    usage = shutil.disk_usage(tmp_path)._replace(free=6047)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with ScoreWriter(str(tmp_path / "a.npz"), 9, 4, 3, CLASSES[:6]) as writer:
        writer.add(["a"], [[0]], np.zeros((1, 4, 3, 6)))
    with pytest.raises(UserError, match="108 views need"):  # 2 * 4 * 108 * 7 bytes
        ScoreWriter(str(tmp_path / "b.npz"), 9, 4, 3, CLASSES).__enter__()
    assert sorted(os.listdir(tmp_path)) == ["a.npz", "file"]


def test_memory_does_not_grow_with_the_file(tmp_path):
    classes = [f"class {n}" for n in range(400)]
    scores = np.random.default_rng(0).random((2, 25, 10, 400), np.float32)
    path = str(tmp_path / "a.npz")
    tracemalloc.start()
    with ScoreWriter(path, 80, 25, 10, classes) as writer:
        for number in range(40):
            writer.add([f"{number}a", f"{number}b"], [[0], [1]], scores)
    assert os.path.getsize(path) > 32_000_000
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    views = score_file.read(path)
    assert np.allclose(views.video_scores()[78:], scores.mean((1, 2)))
    views.select(3, 1).video_scores()
    assert tracemalloc.get_traced_memory()[1] < 12_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("count", "wanted", "expected"),
    [
        (25, 1, [12]),
        (4, 1, [2]),
        (25, 25, list(range(25))),
        (25, 2, [0, 24]),
        (25, 5, [0, 6, 12, 18, 24]),
        (10, 3, [0, 5, 9]),
        (10, 4, [0, 3, 6, 9]),
    ],
)
def test_fewer_clips_are_evenly_spread(count, wanted, expected, tmp_path):
    ids, labels, scores = random_case(0, num_videos=3, num_clips=count)
    views = score_file.read(write(tmp_path / "a.npz", ids, labels, scores)).select(wanted)
    np.testing.assert_array_equal(views.scores, scores[:, expected])
    assert hits(views.evaluate().result()) == pytest.approx(slow_hits(labels, scores[:, expected]))


@pytest.mark.parametrize(
    ("count", "wanted", "expected"),
    [
        (10, 1, [0]),
        (10, 5, [0, 1, 2, 3, 4]),
        (10, 10, list(range(10))),
        (5, 1, [0]),
        (3, 1, [1]),
        (3, 3, [0, 1, 2]),
        (1, 1, [0]),
        (2, 2, [0, 1]),
    ],
)
def test_fewer_crops_are_the_centre_and_corners(count, wanted, expected, tmp_path):
    ids, labels, scores = random_case(0, num_videos=3, num_crops=count)
    views = score_file.read(write(tmp_path / "a.npz", ids, labels, scores)).select(2, wanted)
    kept = scores[:, [0, 3]][:, :, expected]
    np.testing.assert_array_equal(views.scores, kept)
    np.testing.assert_allclose(views.video_scores(), kept.mean((1, 2)), rtol=1e-6)
    assert (views.num_clips, views.num_crops) == (2, wanted)
    again = views.select(1).select(num_crops=wanted)
    np.testing.assert_array_equal(again.scores, kept[:, 1:])


@pytest.mark.parametrize(
    ("num_crops", "given", "part"),
    [
        (3, {"num_clips": 5}, "from 1 to 4.*num_clips=5"),
        (3, {"num_clips": 0}, "num_clips=0"),
        (3, {"num_crops": 5}, "one of 1, 3,.*num_crops=5"),
        (10, {"num_crops": 3}, "one of 1, 5, 10,.*num_crops=3"),
        (1, {"num_crops": 10}, r"one of 1,.*1 crop\(s\).*num_crops=10"),
        (2, {"num_crops": 1}, "one of 2,"),
    ],
)
def test_views_that_are_not_there_are_refused(num_crops, given, part, tmp_path):
    case = random_case(0, num_videos=2, num_crops=num_crops)
    views = score_file.read(write(tmp_path / "a.npz", *case))
    with pytest.raises(ValueError, match=part):
        views.select(**given)


def damaged(path, kind):
    content = bytearray(path.read_bytes())
    if kind == "cut":
        return content[: len(content) // 2]
    if kind == "changed":
        content[-len(content) // 3] ^= 1
        return content
    return b"VideoId,LabelConfidencePairs\n"


@pytest.mark.parametrize("kind", ["cut", "changed", "other"])
def test_a_damaged_file_is_named(kind, tmp_path):
    path = tmp_path / "a.npz"
    write(path, *random_case(0, num_videos=60))
    path.write_bytes(damaged(path, kind))
    with pytest.raises(UserError, match=r"a\.npz is damaged, or is no file of the scores"):
        score_file.read(str(path))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"scores": None}, "scores.npy"),
        ({"labels": None}, "labels"),
        ({"scores": np.zeros((9, 7))}, r"it holds .*\(9, 7\)"),
        ({"scores": np.zeros((9, 1, 1, 6))}, "do not fit"),
        ({"ids": np.array(["a"])}, "do not fit"),
        ({"scores": np.zeros((9, 0, 1, 7))}, "it is empty"),
        ({"scores": np.zeros((9, 1, 1, 7), int)}, "must be text"),
        ({"scores": np.full((9, 1, 1, 7), np.nan)}, "NaN"),
        ({"scores": np.full((9, 1, 1, 7), 3.0)}, "3 to 3"),
        ({"labels": np.full((9, 1), 7)}, "below 7"),
        ({"ids": np.array(["a"] * 9, object)}, "ids.npy holds Python.s objects"),
    ],
)
def test_a_file_of_something_else_is_refused(changes, part, tmp_path):
    ids, labels, scores = random_case(0)
    fields = {"ids": np.array(ids), "labels": labels, "scores": scores, "classes": CLASSES}
    fields = {name: value for name, value in (fields | changes).items() if value is not None}
    np.savez(tmp_path / "a.npz", **fields)
    with pytest.raises(UserError, match=f"a.npz is damaged.*{part}"):
        score_file.read(str(tmp_path / "a.npz"))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"There is no .*a\.npz"):
        score_file.read(str(tmp_path / "a.npz"))
    with pytest.raises(UserError, match="Cannot read"):
        score_file.read(str(tmp_path))


@pytest.mark.parametrize("batch", [1, 5, 12, 100])
def test_batches_of_views_become_videos(batch):
    ids, labels, scores = random_case(0)
    rows = scores.reshape(-1, 7)
    of_rows = [np.repeat(ids, 12).tolist(), labels.repeat(12, axis=0), rows]
    batches = ([part[i : i + batch] for part in of_rows] for i in range(0, len(rows), batch))
    found = list(whole_videos(batches, 4, 3))
    assert sum((part[0] for part in found), []) == ids
    np.testing.assert_array_equal(np.concatenate([part[1] for part in found]), labels)
    np.testing.assert_array_equal(np.concatenate([part[2] for part in found]), scores)


def test_views_of_two_videos_are_not_joined():
    batch = (["a", "a", "b"], np.zeros((3, 1), int), np.zeros((3, 7)))
    with pytest.raises(ValueError, match="must have 3 views.*'b'"):
        list(whole_videos([batch], 3, 1))
    with pytest.raises(ValueError, match="1 of 'b'"):
        list(whole_videos([batch], 1, 2))
