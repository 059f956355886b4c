"""Networks of Caffe and TF-Slim, and their ports: each weight where it belongs, with their mean."""

import keras
import numpy as np
import pytest
from job_runner import expect_error, succeed
from paths import GOLDEN
from published_weights import (
    drawn,
    log_softmax,
    squares,
    write_caffe,
    write_checkpoint,
    write_torch,
)

from frame_models.pixels.layers.backbones import add_backbone
from frame_models.pixels.layers.subtract_mean import SubtractMean
from yt8m import runs
from yt8m.base.errors import UserError
from yt8m.conversion import video_import
from yt8m.conversion.video_import import Published
from yt8m.data.video.clip_specs import Clips
from yt8m.modeling import specs

FOLDER = GOLDEN / "published"
JOB = "yt8m.import_checkpoint"
RANDOM = np.random.default_rng(5)


def imported(path, model, **settings):
    keras.utils.clear_session()
    return video_import.load(Published(specs.model(model), [str(path)], **settings))


def c3d_values():
    """Blobs of C3D with a 64th of its channels, for clips of 16 x 64 x 64."""
    sides = {"conv1a": (1, 3), "conv2a": (2, 1), "conv3a": (4, 2), "conv3b": (4, 4)}
    sides |= {"conv4a": (8, 4), "conv4b": (8, 8), "conv5a": (8, 8), "conv5b": (8, 8)}
    values = {
        name: [RANDOM.normal(size=(*shape, 3, 3, 3)).astype("f"), RANDOM.normal(size=shape[0])]
        for name, shape in sides.items()
    }
    for name, shape in {"fc6-1": (64, 32), "fc7-1": (64, 64), "fc8-1": (7, 64)}.items():
        values[name] = [RANDOM.normal(size=shape).astype("f"), RANDOM.normal(size=shape[0])]
    return values


C3D = Clips(frames=16, resize=(64, 70), crop=64)


def test_c3d_of_caffe_with_its_mean(tmp_path):
    """fc6 sees (channels, time, rows, columns) = (8, 1, 2, 2)."""
    values = c3d_values()
    path = write_caffe(tmp_path / "c3d.caffemodel", values, "c3d")
    mean = RANDOM.uniform(80, 120, (3, 16, 64, 70)).astype("f")
    np.save(tmp_path / "mean.npy", mean)
    given = {"clips": C3D, "model": "c3d(width=0.015625, colors='bgr')"}
    model, schema, count = imported(path, mean=str(tmp_path / "mean.npy"), **given)
    assert count == 23 and len(schema.classes) == 7
    (layer,) = [x for x in model.layers if isinstance(x, SubtractMean)]
    np.testing.assert_array_equal(layer.mean, mean[..., 3:67].transpose(1, 2, 3, 0))
    weights = {w.path: w.numpy() for w in model.weights}
    np.testing.assert_array_equal(
        weights["conv3d/kernel"], values["conv1a"][0].transpose(2, 3, 4, 1, 0)
    )
    fc6 = values["fc6-1"][0].reshape(64, 8, 1, 2, 2).transpose(2, 3, 4, 1, 0).reshape(32, 64)
    np.testing.assert_array_equal(weights["dense/kernel"], fc6)
    np.testing.assert_array_equal(weights["dense_2/kernel"], values["fc8-1"][0].T)
    shown = keras.Model(model.input["pixels"], layer.output)
    pixels = RANDOM.integers(0, 256, (1, 16, 64, 64, 3), dtype=np.uint8)
    expected = pixels[..., ::-1] - mean[..., 3:67].transpose(1, 2, 3, 0)
    np.testing.assert_allclose(shown.predict_on_batch(pixels), expected, atol=1e-3)
    with pytest.raises(UserError, match="Weights of c3d are of pixels less the mean"):
        imported(path, **given)
    with pytest.raises(UserError, match="--mean=1,2,3 does not fit c3d.*Say colors='bgr'"):
        imported(path, mean="1,2,3", model="c3d", clips=C3D)
    with pytest.raises(UserError, match="--mean=none does not fit c3d.*Name a file"):
        imported(path, mean="none", **given)


@pytest.mark.parametrize(
    ("convolution", "dense"),
    [("{}.{}", "{}.{}"), ("backbone.{}.conv.{}", "backbone.{}.{}")],
    ids=["DavideA", "mmaction2"],
)
def test_c3d_of_pytorch(tmp_path, convolution, dense):
    values, tensors = c3d_values(), {}
    values["fc6-1"][0] = RANDOM.normal(size=(64, 72)).astype("f")  # (8, 1, 3, 3), as it pads.
    short = {"conv1a": "conv1", "conv2a": "conv2"} if convolution == "{}.{}" else {"fc8": "fc_cls"}
    for name, (kernel, bias) in values.items():
        name = name.removesuffix("-1")
        form = dense if name.startswith("fc") else convolution
        form = "cls_head.{}.{}" if short.get(name) == "fc_cls" else form
        for part, value in (("weight", kernel), ("bias", bias.astype("f"))):
            tensors[form.format(short.get(name, name), part)] = value
    path = write_torch(tmp_path / "c3d.pth", tensors)
    model = "c3d(width=0.015625, pad_last_pool=True, colors='rgb')"
    filled, _, _ = imported(path, model=model, mean="104,117,128", clips=C3D)
    weights = {w.path: w.numpy() for w in filled.weights}
    fc6 = values["fc6-1"][0].reshape(64, 8, 1, 3, 3).transpose(2, 3, 4, 1, 0).reshape(72, 64)
    np.testing.assert_array_equal(weights["dense/kernel"], fc6)
    mean = next(value for name, value in weights.items() if name.endswith("/mean"))
    np.testing.assert_array_equal(mean[3, 4, 5], [104, 117, 128])
    with pytest.raises(UserError, match=r"say c3d\(pad_last_pool=True"):
        imported(path, model="c3d(width=0.015625)", mean="none", clips=C3D)


def test_cnn_m_of_caffe(tmp_path):
    sides = {"conv1": (2, 3, 7), "conv2": (4, 2, 5), "conv3": (8, 4, 3), "conv4": (8, 8, 3)}
    sides |= {"conv5": (8, 8, 3)}
    values = {
        name: [RANDOM.normal(size=(out, into, side, side)), RANDOM.normal(size=out)]
        for name, (out, into, side) in sides.items()
    }
    for name, shape in {"fc6": (64, 72), "fc7": (32, 64), "fc8": (6, 32)}.items():
        values[name] = [RANDOM.normal(size=shape), RANDOM.normal(size=shape[0])]
    path = write_caffe(tmp_path / "m.caffemodel", values, "old")
    clips = Clips(frames=1, resize=112, crop=112)
    model = "cnn_m(width=0.015625, rounding='up', colors='bgr')"
    filled, _, count = imported(path, model=model, mean="1,2,3", clips=clips)
    assert count == 17
    kernels = [w.numpy() for w in filled.weights if "dense" in w.path and "kernel" in w.path]
    fc6 = values["fc6"][0].astype("f").reshape(64, 8, 3, 3).transpose(2, 3, 1, 0).reshape(72, 64)
    np.testing.assert_array_equal(kernels[0], fc6)
    with pytest.raises(UserError, match=r"say cnn_m\(rounding='up'"):
        imported(path, model="cnn_m(width=0.015625)", mean="none", clips=clips)


def test_inception_v1_of_slim_starts_other_networks(tmp_path):
    """Through a run, and through the file that `weights=` of a spec takes."""
    variables = drawn(FOLDER / "inception_v1_variables.json")
    logits = {
        "InceptionV1/Logits/Conv2d_0c_1x1/weights": RANDOM.normal(size=(1, 1, 1024, 6)).astype("f"),
        "InceptionV1/Logits/Conv2d_0c_1x1/biases": np.arange(6, dtype="f"),
    }
    path = write_checkpoint(tmp_path / "inception_v1.ckpt", variables | logits)
    backbone = tmp_path / "inception_v1.weights.h5"
    flags = {
        "checkpoint": path,
        "model": "single_frame(backbone='inception_v1', pooling='avg', hidden=())",
        "train_dir": tmp_path / "run",
    }
    expect_error(JOB, "must end in .weights.h5", backbone_file=tmp_path / "a.h5", **flags)
    assert "Imported 230 variables" in succeed(JOB, backbone_file=backbone, **flags)
    with np.load(FOLDER / "inception_v1_slim.npz") as golden:
        pixels, expected = squares(golden["small"]), golden["mean"]
    image = keras.Input((224, 224, 3))
    features = add_backbone(image, "inception_v1", weights=str(backbone))
    maps = keras.Model(image, features).predict_on_batch(pixels.astype("f") / 127.5 - 1)
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), expected, atol=1e-4)
    run = runs.load(str(tmp_path / "run"))
    answer = run.model.predict_on_batch(
        {"pixels": pixels[:, None], "num_frames": np.ones(2, np.int32)}
    )
    kernel, bias = (logits[f"InceptionV1/Logits/Conv2d_0c_1x1/{n}"] for n in ("weights", "biases"))
    expected = np.exp(log_softmax(expected @ kernel[0, 0] + bias))
    np.testing.assert_allclose(answer, expected, atol=1e-4)
