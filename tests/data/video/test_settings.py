"""Settings of raw video, and the patterns that name it."""

import json

import pytest

from yt8m.base.errors import UserError
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.data.video.sources.pattern import Part, parse


def test_specs_set_what_they_name_and_print_everything():
    clips = Clips.from_spec("clips(frames=8, crop=(64, 80), augment=('flip',))")
    assert clips == Clips(frames=8, crop=(64, 80), augment=("flip",))
    assert Clips.from_spec(str(clips)) == clips
    flow = Flow.from_spec("flow(length=10, stacking='trajectory', bound=15)")
    assert flow == Flow(length=10, stacking="trajectory", bound=15.0)
    assert Flow.from_spec(str(flow)) == flow


@pytest.mark.parametrize(
    ("settings", "text", "message"),
    [
        (Clips, "clip", "takes clips"),
        (Clips, "clips(frame=3)", "Did you mean 'frames'"),
        (Clips, "clips(frames=0)", "frames must be positive"),
        (Clips, "clips(frames='8')", "frames must be int"),
        (Clips, "clips(crop=(1, 2, 3))", r"Received: crop=\(1, 2, 3\)"),
        (Clips, "clips(crop=129)", "no larger than resize"),
        (Clips, "clips(resize=(90, 160), crop=(91, 20))", "no larger than resize"),
        (Clips, "clips(sampling='random')", "dense, uniform, keyframes, shots"),
        (Clips, "clips(short='pad')", "loop, repeat, mask"),
        (Clips, "clips(augment=('turn',))", "crop, scale, flip"),
        (Clips, "clips(sampling='uniform', stride=2)", "stride is of dense sampling"),
        (Flow, "flow(method='raft')", "dis, tvl1, farneback"),
        (Flow, "flow(bound=0)", "bound must be positive"),
        (Flow, "flow(bound=1e999)", "bound must be float"),
        (Flow, "flow(channels=3, length=2)", "3 with length=1"),
        (Flow, "flow(bidirectional=True)", "even length"),
    ],
)
def test_wrong_settings_are_refused(settings, text, message):
    with pytest.raises(ValueError, match=message):
        settings.from_spec(text)


@pytest.mark.parametrize(
    ("resize", "size", "expected"),
    [
        (128, (240, 320), (128, 171)),
        (128, (320, 240), (171, 128)),
        ((90, 50), (240, 320), (90, 50)),
    ],
)
def test_frames_are_resized_by_their_shorter_side(resize, size, expected):
    assert Clips(resize=resize, crop=50).frame_size(*size) == expected


def test_flow_counts_its_channels():
    assert Flow().num_channels == 2
    assert Flow(length=10).num_channels == 20
    assert Flow(channels=3).num_channels == 3


def test_a_schema_survives_json():
    classes = ("a/x", "a/y", "b/x")
    schema = ClipSchema(("pixels", "flow"), Clips(crop=(5, 6)), Flow(length=2), classes, ("a", "b"))
    again = ClipSchema.from_json(json.loads(json.dumps(schema.to_json())))
    assert again == schema
    assert again.task_ranges == ((0, 2), (2, 3))
    assert again.task_classes.tolist() == [[1, 1, 0], [0, 0, 1]]
    assert schema.channels("flow") == 4


def test_labels_become_places_among_the_classes():
    schema = ClipSchema(("pixels",), Clips(), None, ("a", "b", "c"))
    assert schema.class_ids(("c", "a"), "x.mp4") == [0, 2]
    with pytest.raises(UserError, match=r"x.mp4 has the label 'd'.*\(a, b, c\)"):
        schema.class_ids(("d",), "x.mp4")


def test_a_task_may_begin_like_another():
    schema = ClipSchema(("pixels",), Clips(), None, ("a/z", "ab/y", "ab/z"), ("a", "ab"))
    assert schema.task_ranges == ((0, 1), (1, 3))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("data/train*.tfrecord", None),
        ("a.tfrecord,lists.txt", None),
        ("clips.csv", [Part("clips.csv")]),
        ("x/clips.CSV#train", [Part("x/clips.CSV", "train")]),
        ("a.csv#train, b.csv#train", [Part("a.csv", "train"), Part("b.csv", "train")]),
        ("u=a.csv#x,h=b.csv", [Part("a.csv", "x", "u"), Part("b.csv", "", "h")]),
        ("tfds:ucf101/ucf101_1#train", [Part("tfds:ucf101/ucf101_1", "train")]),
        ("tfds:ucf101#train[:80%]", [Part("tfds:ucf101", "train[:80%]")]),
    ],
)
def test_a_pattern_is_split_into_its_parts(text, parts):
    assert parse(text) == parts


def test_a_data_set_has_a_name():
    assert Part("tfds:ucf101/ucf101_1").dataset == "ucf101/ucf101_1"
    assert Part("clips.csv").dataset is None


@pytest.mark.parametrize(
    ("text", "message"),
    [("a.csv,b.tfrecord", "'b.tfrecord' is no manifest"), ("u=a.csv,b.csv", "has a task")],
)
def test_patterns_that_do_not_fit_together(text, message):
    with pytest.raises(UserError, match=message):
        parse(text)
