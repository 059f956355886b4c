"""What stands in docs/serving.md: bodies of requests, and of the answers to them."""

import json

import numpy as np
import pytest
import rest
import tensorflow as tf
from shard_files import FRAME_SCHEMA, VIDEO_SCHEMA, frames, video
from test_images import encoded, make_frames

from yt8m.data.schema import Schema
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips
from yt8m.modeling import keras_model, specs
from yt8m.serving import saved_model

NAMES = ["Game", "Vehicle", "Müsli", "Car"]
CLIPS = ClipSchema(("pixels",), Clips(frames=2, resize=24, crop=20), None, tuple(NAMES))
SPECS = {"clip": "cnn(backbone='karpathy', width=0.02)", "video": "mlp(hidden=4)"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A SavedModel of each kind, in a version folder."""

    def serve(schema: Schema | ClipSchema):
        spec = specs.model(SPECS.get(schema.kind, "average(head=logistic)"))
        model = keras_model.classifier(keras_model.build(spec, schema, len(NAMES)))
        folder = str(tmp_path_factory.mktemp(schema.kind) / "1")
        saved_model.save(folder, model, schema, 300, 3, names=NAMES)
        return tf.saved_model.load(folder)

    return {schema.kind: serve(schema) for schema in (FRAME_SCHEMA, VIDEO_SCHEMA, CLIPS)}


def ask(module, **body) -> list[dict]:
    """The predictions, after a check that each is complete and of JSON's own types."""
    rows = rest.predict(module, json.dumps(body))["predictions"]
    for row in rows:
        assert row["names"] == [NAMES[number] for number in row["classes"]]
        assert len(row["scores"]) == 3 and sorted(row["scores"], reverse=True) == row["scores"]
    return rows


def test_records(served):
    for kind, records in (("frame", [frames("a", 3), frames("b", 5)]), ("video", [video("a")])):
        sent = [rest.binary(record) for record in records]
        rows = ask(served[kind], instances=sent)
        assert [row["ids"] for row in rows] == ["a", "b"][: len(rows)]
        named = [{"serialized": record} for record in sent]
        assert ask(served[kind], signature_name="serialized", instances=named) == rows
        columns = rest.predict(served[kind], json.dumps({"inputs": {"serialized": sent}}))
        assert columns["outputs"]["classes"] == [row["classes"] for row in rows]


def test_features(served):
    row = {"mean_rgb": [0.5, -1, 1e-3], "mean_audio": [0.25, 2]}
    (one,) = ask(served["video"], signature_name="features", instances=[row])
    assert ask(served["video"], signature_name="features", instances=[row, row]) == [one, one]
    assert one.keys() == {"classes", "scores", "names"}
    row = {"rgb": [[1, 2, 3, 255], [0, 0, 0, 0]], "audio": [[7, 8], [0, 0]], "num_frames": 1}
    cut = {name: row[name] if name == "num_frames" else row[name][:1] for name in row}
    (padded,) = ask(served["frame"], signature_name="features", instances=[row])
    (short,) = ask(served["frame"], signature_name="features", instances=[cut])
    np.testing.assert_allclose(padded["scores"], short["scores"], atol=1e-6)
    longer = row | {"rgb": row["rgb"] * 2}
    with pytest.raises(rest.Refused):  # Rows of one request are of one length.
        ask(served["frame"], signature_name="features", instances=[row, longer])


def test_encoded_frames(served):
    images = [rest.binary(encoded(frame)) for frame in make_frames(5)]
    jpeg = [rest.binary(encoded(frame, ".jpg")) for frame in make_frames(2, seed=1)]
    short = [*jpeg, "", {"b64": ""}, ""]
    rows = ask(served["clip"], signature_name="images", instances=[images, short])
    assert rows[0]["scores"] != rows[1]["scores"]
    for sent, row in ((images, rows[0]), (jpeg, rows[1])):
        named = [{"images": sent}]
        (alone,) = ask(served["clip"], signature_name="images", instances=named)
        assert alone["classes"] == row["classes"]
        np.testing.assert_allclose(alone["scores"], row["scores"], atol=1e-5)
    with pytest.raises(rest.Refused):
        ask(served["clip"], signature_name="images", instances=[images, jpeg])
    with pytest.raises(tf.errors.InvalidArgumentError, match="neither a JPEG nor a PNG"):
        ask(served["clip"], signature_name="images", instances=[[rest.binary(b"GIF89a")]])


def test_pixels_are_the_default_of_raw_video(served):
    row = {"pixels": np.full((2, 20, 20, 3), 9).tolist(), "num_frames": 2}
    (one,) = ask(served["clip"], instances=[row])
    assert one == ask(served["clip"], signature_name="features", instances=[row])[0]
