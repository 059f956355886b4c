"""A vector beside the frames joins what is pooled of them, before the head."""

import dataclasses

import keras
import numpy as np
import pytest
from toy_records import FRAMES, VIDEOS, frame_batch, predict

from yt8m.base.errors import UserError
from yt8m.data.schema import Feature, Schema
from yt8m.modeling import keras_model, specs

TITLE = Feature("title", 5, "float32", "title")
SCHEMA = dataclasses.replace(FRAMES, video_features=(TITLE,))
SMALL = {
    "average": "average(head=logistic)",
    "ensemble": "average(head=ensemble(members=2, member=logistic))",
    "netvlad": "netvlad(clusters=(2, 2), hidden=4, head=logistic)",
    "lstm": "lstm(cells=3, layers=1, head=logistic)",
    "sample": "sample(model=average(head=logistic))",
    "mixture": "mixture(branches=(average, gru(cells=3, layers=1, head=logistic)))",
}


def build(spec: str, schema: Schema = SCHEMA, normalize: str = "l2") -> keras.Model:
    model = keras_model.build(specs.model(spec), schema, 4, normalize)
    return keras_model.classifier(model)


def batch(rows: int = 4) -> dict[str, np.ndarray]:
    title = np.random.default_rng(1).normal(size=(rows, 5)).astype("float32")
    return frame_batch(rows) | {"title": title}


@pytest.mark.parametrize("name", SMALL)
def test_each_video_sees_its_own_vector(name):
    keras.utils.set_random_seed(0)
    model, inputs = build(SMALL[name]), batch()
    before = predict(model, inputs)
    inputs["title"][2] = -inputs["title"][2]
    changed = np.abs(predict(model, inputs) - before).max(axis=1)
    assert changed[2] > 1e-3
    assert changed[[0, 1, 3]].max() < 1e-6


@pytest.mark.parametrize("normalize", keras_model.NORMALIZE)
def test_the_head_gets_the_pooled_frames_and_the_scaled_vector(normalize):
    model, plain = build("average", normalize=normalize), build("average", FRAMES, normalize)
    kernel, bias = model.get_weights()
    assert kernel.shape == (9 + 5, 4)
    inputs = batch()
    plain.set_weights([kernel[:9], bias])
    title = inputs["title"]
    answers = predict(plain, frame_batch())
    logits = np.log(answers / (1 - answers))
    squares = np.square(title)
    scale = {"l2": squares.sum(axis=1), "rms": squares.mean(axis=1), "none": np.ones(4)}
    logits += title / np.sqrt(scale[normalize])[:, None] @ kernel[9:]
    np.testing.assert_allclose(predict(model, inputs), 1 / (1 + np.exp(-logits)), atol=1e-5)


def test_bytes_are_numbers_first():
    schema = dataclasses.replace(FRAMES, video_features=(Feature("t", 2, "uint8", "t"),))
    model = build("average", schema, "none")
    kernel, bias = np.zeros_like(model.get_weights()[0]), np.zeros(4)
    kernel[9:, 1] = 1, 0
    model.set_weights([kernel, bias])
    inputs = frame_batch() | {"t": np.uint8([[255, 0]] * 4)}
    expected = 1 / (1 + np.exp(-(2 + 4 / 512)))
    np.testing.assert_allclose(predict(model, inputs)[:, 1], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("attention", "attention has no head"),
        ("sample(model=attention)", "attention has no head"),
        ("mixture(branches=(average, attention))", "attention has no head"),
        ("lstm(cells=3, output='frames')", "head of lstm looks at single frames"),
        ("sample(model=gru(cells=3, output='frames'))", "head of sample looks at single frames"),
    ],
)
def test_a_model_without_a_place_for_it_is_refused(spec, message):
    with pytest.raises(UserError, match=message):
        build(spec)


def test_the_schema_comes_back_from_json_and_older_ones_are_as_they_were():
    assert Schema.from_json(SCHEMA.to_json()) == SCHEMA
    assert "video_features" not in FRAMES.to_json()
    assert str(SCHEMA).endswith("; beside the frames title (float32[5])")
    with pytest.raises(ValueError, match="only records of frames"):
        Schema.from_json(VIDEOS.to_json() | {"video_features": [vars(TITLE)]})
    with pytest.raises(ValueError, match="different names"):
        Schema.from_json(FRAMES.to_json() | {"video_features": [vars(TITLE) | {"name": "rgb"}]})
