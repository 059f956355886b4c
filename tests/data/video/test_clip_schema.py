"""What a model of raw video takes: as JSON, its classes and its tasks."""

import json

import pytest

from yt8m.base.errors import UserError
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow


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
