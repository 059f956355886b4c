"""Choosing features of a schema, and comparing the schemas of two data sets."""

import dataclasses
import json

import pytest
from shard_files import AUDIO, FRAME_SCHEMA, RGB, VIDEO_SCHEMA

from yt8m.base.errors import UserError
from yt8m.data.schema import FRAME, Feature, Schema

MEDIAPIPE = Schema(FRAME, (Feature("rgb", 4, "float32", "RGB/feature/floats"),), id_key="video_id")


@pytest.mark.parametrize("schema", [FRAME_SCHEMA, VIDEO_SCHEMA, MEDIAPIPE])
def test_a_schema_survives_json(schema):
    text = json.dumps(schema.to_json())
    assert Schema.from_json(json.loads(text)) == schema
    assert json.dumps(Schema.from_json(json.loads(text)).to_json()) == text


def test_what_json_holds_is_a_copy():
    FRAME_SCHEMA.to_json()["features"][0]["size"] = 99
    assert FRAME_SCHEMA.features[0].size == 4


def test_reads_as_a_sentence():
    assert str(FRAME_SCHEMA) == "frame-level: rgb (uint8[4]), audio (uint8[2])"


def test_select_keeps_the_order_asked_for():
    assert FRAME_SCHEMA.select(()) == FRAME_SCHEMA
    assert FRAME_SCHEMA.select(("audio",)).features == (AUDIO,)
    assert FRAME_SCHEMA.select(("audio", "rgb"), (2, 4)).features == (AUDIO, RGB)
    assert FRAME_SCHEMA.select((), (4, 2)) == FRAME_SCHEMA


def test_select_knows_features_by_key_too():
    assert MEDIAPIPE.select(("RGB/feature/floats",)) == MEDIAPIPE


@pytest.mark.parametrize(
    ("names", "sizes", "message"),
    [
        (("rgb", "optical"), (), r"asks for optical, but the records hold frame-level: rgb"),
        (("rgb", "rgb"), (), r"names a feature twice\. Received: rgb,rgb"),
        (("rgb", "audio"), (4,), r"one size a feature\. Received: 1 sizes \(4\) for 2 features"),
        ((), (4, 2, 1), r"Received: 3 sizes \(4,2,1\) for 2 features \(rgb,audio\)"),
        (("audio",), (128,), r"audio has 128 values, but the records hold audio \(uint8\[2\]\)"),
    ],
)
def test_features_that_cannot_be_selected_are_refused(names, sizes, message):
    with pytest.raises(UserError, match=message):
        FRAME_SCHEMA.select(names, sizes)


def test_select_refuses_one_feature_under_its_two_names():
    with pytest.raises(UserError, match="twice"):
        MEDIAPIPE.select(("rgb", "RGB/feature/floats"))


def test_match_takes_the_features_the_model_knows_in_its_order():
    more = Feature("flow", 3, "uint8", "flow")
    data = Schema(FRAME, (more, RGB, AUDIO), id_key="video_id", segments=True)
    model = Schema(FRAME, (AUDIO, RGB))
    assert model.match(data, "x*") == dataclasses.replace(data, features=(AUDIO, RGB))


def test_match_reads_the_key_of_the_other_records():
    model = Schema(FRAME, (Feature("rgb", 4, "float32", "rgb"),))
    assert model.match(MEDIAPIPE, "x*").features[0].key == "RGB/feature/floats"


@pytest.mark.parametrize(
    "data",
    [
        VIDEO_SCHEMA,
        Schema(FRAME, (RGB,)),
        Schema(FRAME, (RGB, dataclasses.replace(AUDIO, size=3))),
        Schema(FRAME, (RGB, dataclasses.replace(AUDIO, dtype="float32"))),
    ],
    ids=["kind", "feature", "size", "dtype"],
)
def test_match_refuses_other_records_and_shows_both(data):
    with pytest.raises(UserError) as error:
        FRAME_SCHEMA.match(data, "test*.tfrecord")
    message = str(error.value)
    assert "test*.tfrecord" in message and str(FRAME_SCHEMA) in message and str(data) in message


def test_match_refuses_the_same_features_of_another_kind():
    with pytest.raises(UserError, match="do not fit the model"):
        FRAME_SCHEMA.match(dataclasses.replace(FRAME_SCHEMA, kind="video"), "x*")
