"""The ratings of segments, read without frames, and the places that a file gives them."""

import numpy as np
import pytest
from shard_files import FRAME_SCHEMA, batches, frames, sequence, video, write

from yt8m.base.errors import UserError
from yt8m.data.detect import detect
from yt8m.data.diagnose import clear_errors
from yt8m.data.schema import FRAME, Schema
from yt8m.data.segment_reader import SegmentReader
from yt8m.submissions import score_segments

SCHEMA = Schema(FRAME, FRAME_SCHEMA.features, segments=True)


def rated(name: str, *ratings: tuple[int, int, float], num_frames: int = 20) -> bytes:
    """A video with ratings (start, class, score)."""
    starts, classes, scores = zip(*ratings, strict=True) if ratings else ((), (), ())
    context = {"segment_start_times": starts, "segment_labels": classes}
    if ratings:
        context["segment_scores"] = [float(score) for score in scores]
    return frames(name, num_frames, **context)


def make(tmp_path, records, num_classes=10, **settings):
    path = write(tmp_path / "a.tfrecord", records)
    settings = {"batch_size": 2} | settings
    return score_segments.rating_reader([path], SCHEMA, num_classes, **settings)


def score(tmp_path, reader, *lines: str) -> dict:
    """The metrics and the classes of a submission with these lines."""
    path = tmp_path / "submission.csv"
    path.write_text("\n".join(["Class,Segments", *lines, ""]))
    state = score_segments.score_segments(str(path), reader)
    return state.result() | state.per_class()


def test_ratings_as_they_stand(tmp_path):
    records = [
        rated("a", (10, 3, 1), (100, 4, 0)),
        rated("b"),
        rated("c", (0, 3, 0), num_frames=0),
    ]
    first, second = batches(make(tmp_path, records).sequential())
    assert first["ids"].tolist() == [b"a", b"b"] and second["ids"].tolist() == [b"c"]
    assert first["rows"].tolist() == [0, 0] and second["rows"].tolist() == [0]
    assert first["start_times"].tolist() == [10, 100]
    assert first["labels"].tolist() == [3, 4]
    assert first["label_scores"].tolist() == [1.0, 0.0]


def test_only_the_listed_classes(tmp_path):
    records = [rated("a", (0, 3, 1), (5, 4, 1)), rated("b", (0, 5, 1), (5, 3, 0))]
    (batch,) = batches(make(tmp_path, records, segment_classes=(3, 9)).sequential())
    assert batch["rows"].tolist() == [0, 1] and batch["labels"].tolist() == [3, 3]
    assert batch["start_times"].tolist() == [0, 5]


def test_the_records_are_counted_not_the_segments(tmp_path):
    records = [rated(f"{n:02d}", *((5 * s, 1, 1) for s in range(4))) for n in range(50)]
    assert 45 <= make(tmp_path, records).estimate_num_examples() <= 55


@pytest.mark.parametrize(
    ("record", "part"),
    [
        (rated("bad", (0, 10, 1)), "the label 10, outside the vocabulary of 10 classes"),
        (rated("bad", (0, -1, 1)), "the label -1, outside the vocabulary"),
        (
            frames("bad", segment_labels=[1], segment_start_times=[0, 5], segment_scores=[1.0]),
            "1 segment_labels, 2 segment_start_times and 1 segment_scores",
        ),
        (
            frames("bad", segment_labels=[1], segment_start_times=[0], segment_scores=[1]),
            "segment_scores as a int64_list",
        ),
    ],
    ids=["above", "below", "lengths", "type"],
)
def test_a_bad_record_is_named(record, part, tmp_path):
    reader = make(tmp_path, [rated("good", (0, 1, 1)), record])
    with pytest.raises(UserError, match="Record 1 of .*a.tfrecord .id bad") as error:
        with clear_errors(reader):
            batches(reader.sequential())
    assert part in str(error.value)


def test_shards_without_ratings(tmp_path):
    for record in (video("a"), frames("a")):
        path = write(tmp_path / "a.tfrecord", [record])
        with pytest.raises(UserError, match="scored on records with segment_labels"):
            score_segments.rating_reader([path], detect([path]), 10, batch_size=2)


def test_the_order_of_the_file_counts(tmp_path):
    reader = make(
        tmp_path, [rated("a", (0, 3, 1), (5, 3, 0), (10, 3, 1)), rated("b", (0, 3, 0))], 10
    )
    found = score(tmp_path, reader, "3,x:0 a:5 a:0 a:15 b:5 b:0 a:10 y:0")
    assert found["map_at_k"] == (1 / 2 + 2 / 4) / 2
    assert found["gap"] is None and found["num_ratings"] == 4
    assert score(tmp_path, reader, "3,a:10 a:0")["map_at_k"] == 1.0
    assert score(tmp_path, reader, "3,b:0 a:10")["map_at_k"] == 1 / 2 / 2


def test_a_class_without_a_line_scores_nothing(tmp_path):
    reader = make(tmp_path, [rated("a", (0, 3, 1), (0, 4, 1), (5, 5, 0), (5, 6, 1))])
    found = score(tmp_path, reader, "9,a:0", "3,a:0", "6,", "5,a:5")
    assert found["map_at_k"] == pytest.approx(1 / 3)
    assert found["rated"].tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0, 0]
    assert (found["num_rated_classes"], found["num_classes_with_positives"]) == (4, 3)


def test_a_rating_past_the_end_stands(tmp_path):
    """Nobody can retrieve it from 20 frames, but the ratings are judged as they are."""
    reader = make(tmp_path, [rated("a", (0, 3, 1), (100, 3, 1), (-5, 3, 1))])
    assert score(tmp_path, reader, "3,a:0")["map_at_k"] == pytest.approx(1 / 3)
    assert score(tmp_path, reader, "3,a:0 a:100")["map_at_k"] == pytest.approx(2 / 3)


def test_repeated_ratings_and_records(tmp_path):
    """A rating repeated in a record counts once; a record repeated counts twice, as elsewhere."""
    twice = [rated("a", (0, 3, 0), (0, 3, 1), (0, 3, 0), (5, 3, 0))]
    found = score(tmp_path, make(tmp_path, twice), "3,a:0 a:5")
    assert (found["num_ratings"], found["num_positive_ratings"]) == (2, 1)
    found = score(tmp_path, make(tmp_path, twice * 3), "3,a:5 a:0")
    assert (found["num_ratings"], found["num_positive_ratings"]) == (6, 3)
    assert found["map_at_k"] == pytest.approx((1 / 4 + 2 / 5 + 3 / 6) / 3)


def test_ids_of_any_bytes(tmp_path):
    path = write(
        tmp_path / "a.tfrecord",
        [
            sequence(
                {"rgb": [b"1234"], "audio": [b"12"]},
                id=[b'\xff"q'],
                labels=[1],
                segment_labels=[3],
                segment_start_times=[5],
                segment_scores=[1.0],
            )
        ],
    )
    reader = score_segments.rating_reader([path], SCHEMA, 10, batch_size=2)
    (tmp_path / "s.csv").write_bytes(b'Class,Segments\n3,"\xff""q:5"\n')
    assert (
        score_segments.score_segments(str(tmp_path / "s.csv"), reader).result()["map_at_k"] == 1.0
    )


def test_nothing_to_measure(tmp_path):
    reader = make(tmp_path, [rated("a", (0, 3, 1), (5, 4, 0))])
    with pytest.raises(UserError, match="none of the 2 rated segments"):
        score(tmp_path, reader, "4,a:0 a:10", "5,a:5")
    with pytest.raises(UserError, match="no rating that is positive among 1, so"):
        score(tmp_path, make(tmp_path, [rated("a", (5, 4, 0))]), "4,a:5")
    only = make(tmp_path, [rated("a", (5, 4, 1))], segment_classes=(5,))
    with pytest.raises(UserError, match="no rating of the listed classes of a segment, so"):
        score(tmp_path, only, "4,a:5")


@pytest.mark.parametrize("seed", range(5))
def test_matches_the_loops(seed, tmp_path):
    rng = np.random.default_rng(seed)
    rated_of = {}
    records = []
    for n in range(30):
        ratings = [
            (int(5 * rng.integers(6)), int(rng.integers(4)), int(rng.integers(2)))
            for _ in range(rng.integers(6))
        ]
        records.append(rated(f"v{n}", *ratings))
        for start, class_id, value in ratings:
            segments = rated_of.setdefault(class_id, {})
            name = f"v{n}:{start}"
            segments[name] = max(value, segments.get(name, 0))
    names = [f"v{n}:{5 * s}" for n in range(40) for s in range(6)]
    lines = {c: rng.permutation(names)[: rng.integers(50, 240)].tolist() for c in (0, 2, 3)}
    values = []
    for class_id, segments in rated_of.items():
        ranked = [segments[name] for name in lines.get(class_id, []) if name in segments]
        hits = [sum(ranked[: i + 1]) / (i + 1) for i, hit in enumerate(ranked) if hit]
        if any(segments.values()):
            values.append(sum(hits) / sum(segments.values()))
    text = [f"{class_id},{' '.join(line)}" for class_id, line in lines.items()]
    found = score(tmp_path, make(tmp_path, records, 4, batch_size=7), *text)
    assert found["map_at_k"] == pytest.approx(sum(values) / len(values), abs=1e-12)


def test_the_reader_of_frames_is_unchanged(tmp_path):
    """Ratings that are all within their video are what the segments carry."""
    records = [rated("a", (10, 3, 1), (0, 4, 0)), rated("b", (5, 1, 1), (5, 2, 0))]
    path = write(tmp_path / "a.tfrecord", records)
    reader = SegmentReader([path], SCHEMA, 10, 8)
    (cut,) = batches(reader.sequential())
    (batch,) = batches(make(tmp_path, records).sequential())
    seen = {
        (name, start, class_id, value)
        for name, start, classes, values in zip(
            cut["ids"], cut["start_times"], cut["labels"], cut["label_scores"], strict=True
        )
        for class_id, value in zip(classes, values, strict=True)
        if class_id >= 0
    }
    names = batch["ids"][batch["rows"]]
    keys = ("start_times", "labels", "label_scores")
    assert set(zip(names, *(batch[key] for key in keys), strict=True)) == seen
