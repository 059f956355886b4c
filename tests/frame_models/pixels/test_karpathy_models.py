"""The networks of Karpathy et al.: their sizes, and which frames and pixels they see."""

import functools

import keras
import numpy as np
import pytest
from model_contract import randomise

from frame_models.pixels import (
    early_fusion,
    late_fusion,
    multiresolution,
    single_frame,
    slow_fusion,
)
from frame_models.pixels.layers.karpathy import (
    karpathy,
    karpathy_multiresolution,
    slow_fusion_network,
)
from frame_models.pixels.layers.local_response_norm import LocalResponseNormalization

SMALL = {"width": 1 / 16, "hidden": (256, 128)}


@functools.cache
def small_model(build, time, side=33):
    keras.utils.set_random_seed(1)
    pixels = keras.Input((time, side, side, 3))
    mask = keras.Input((time,), dtype="bool")
    model = keras.Model([pixels, mask], build(pixels, mask, 5, **SMALL))
    randomise(model, narrow=True)
    return model


def run(model, pixels, lengths=None):
    lengths = [pixels.shape[1]] * len(pixels) if lengths is None else lengths
    mask = np.arange(pixels.shape[1]) < np.array(lengths)[:, None]
    return keras.ops.convert_to_numpy(model([pixels, mask]))


def random_clips(time, side=33, batch=1, seed=0):
    random = np.random.default_rng(seed)
    return random.uniform(-1, 1, (batch, time, side, side, 3)).astype("float32")


@pytest.mark.parametrize(
    ("build", "time", "side", "parameters"),
    [
        (single_frame.build, 1, 170, 73_908_071),
        (early_fusion.build, 10, 170, 74_221_703),
        (late_fusion.build, 16, 170, 125_288_295),
        (slow_fusion.build, 10, 170, 75_511_751),
        (multiresolution.build, 1, 178, 129_035_495),
    ],
)
def test_published_number_of_parameters(build, time, side, parameters):
    with keras.StatelessScope(initialize_variables=False):  # None of them takes memory.
        pixels = keras.Input((time, side, side, 3))
        mask = keras.Input((time,), dtype="bool")
        model = keras.Model([pixels, mask], build(pixels, mask, 487))
    keras.utils.clear_session(free_memory=False)  # Forgets that variables wait for a value.
    assert model.count_params() == parameters


def test_maps_are_the_published_seven_by_seven():
    assert karpathy((170, 170, 3), 1 / 64).output.shape == (None, 7, 7, 4)
    assert karpathy_multiresolution((178, 178, 3), 1 / 64).output.shape == (None, 7, 7, 8)
    assert slow_fusion_network((10, 170, 170, 3), 1 / 64).output.shape == (None, 1, 7, 7, 4)


@pytest.mark.parametrize("network", [karpathy, karpathy_multiresolution])
def test_normalisation_is_that_of_the_paper(network):
    """With k = 2, n = 5, alpha = 1e-4 and, other than AlexNet's, beta = 0.5."""
    norms = [x for x in network((44, 44, 3), 1 / 64).layers if "norm" in x.name]
    assert len(norms) in (2, 4)
    for norm in norms:
        config = norm.get_config()
        settings = [config[name] for name in ("bias", "radius", "alpha", "beta")]
        assert settings == [2, 2, 1e-4, 0.5]


def normalized(x, radius, bias, alpha, beta):
    """A loop over channels, after the formula of the AlexNet paper."""
    result = np.empty_like(x)
    for i in range(x.shape[-1]):
        around = x[..., max(0, i - radius) : min(x.shape[-1], i + radius + 1)]
        result[..., i] = x[..., i] / (bias + alpha * (around**2).sum(-1)) ** beta
    return result


@pytest.mark.parametrize("channels", [1, 3, 8])
def test_local_response_normalization(channels):
    x = np.random.default_rng(0).normal(0, 50, (2, 3, 4, channels)).astype("float32")
    given = keras.ops.convert_to_numpy(LocalResponseNormalization()(x))
    np.testing.assert_allclose(given, normalized(x, 2, 2.0, 1e-4, 0.75), rtol=1e-5)
    settings = {"radius": 1, "bias": 1.0, "alpha": 0.02, "beta": 0.5}
    layer = LocalResponseNormalization(**settings)
    layer = LocalResponseNormalization.from_config(layer.get_config())
    given = keras.ops.convert_to_numpy(layer(x))
    np.testing.assert_allclose(given, normalized(x, **settings), rtol=1e-5)


def test_local_response_normalization_in_half_precision():
    """Squares beyond float16's 65504 do not overflow."""
    x = np.full((1, 6), 1000.0, "float32")
    given = LocalResponseNormalization(dtype="float16")(x)
    assert keras.backend.standardize_dtype(given.dtype) == "float16"
    expected = normalized(x, 2, 2.0, 1e-4, 0.75)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(given), expected, rtol=1e-3)


@pytest.mark.parametrize("settings", [{"radius": -1}, {"bias": 0.0}, {"alpha": -1.0}])
def test_local_response_normalization_refuses(settings):
    with pytest.raises(ValueError, match="Received: radius="):
        LocalResponseNormalization(**settings)


@pytest.mark.parametrize("build", [single_frame.build, multiresolution.build])
def test_single_frames_are_averaged(build):
    model, clips = small_model(build, 3), random_clips(3, batch=2)
    frames = [run(model, np.repeat(clips[:, i : i + 1], 3, axis=1)) for i in range(3)]
    np.testing.assert_allclose(run(model, clips), np.mean(frames, axis=0), atol=1e-6)
    both = np.mean(frames[:2], axis=0)
    np.testing.assert_allclose(run(model, clips, [2, 2]), both, atol=1e-6)
    assert np.abs(frames[0] - frames[1]).max() > 1e-4


def test_late_fusion_sees_the_ends():
    model, clips = small_model(late_fusion.build, 5), random_clips(5)
    expected = run(model, clips)
    for frame in range(5):
        changed = clips.copy()
        changed[:, frame] *= -1
        seen = np.abs(run(model, changed) - expected).max() > 1e-4
        assert seen == (frame in (0, 4)), frame
    shorter = clips.copy()
    shorter[:, 4] = clips[:, 2]  # The last of three frames.
    np.testing.assert_allclose(run(model, clips, [3]), run(model, shorter), atol=1e-6)
    assert np.abs(run(model, clips[:, ::-1]) - expected).max() > 1e-4, "the order is lost"


@pytest.mark.parametrize(("build", "time"), [(early_fusion.build, 4), (slow_fusion.build, 10)])
def test_fusion_sees_every_frame(build, time):
    model, clips = small_model(build, time), random_clips(time)
    expected = run(model, clips)
    for frame in range(time):
        changed = clips.copy()
        changed[:, frame] *= -1
        assert np.abs(run(model, changed) - expected).max() > 1e-5, frame
    still = clips.copy()
    still[:, 3:] = clips[:, 2:3]  # The last of three frames, as if the film stood still.
    np.testing.assert_allclose(run(model, clips, [3]), run(model, still), atol=1e-6)


def test_early_fusion_is_a_convolution_over_time_and_space():
    network = karpathy((33, 33, 12), 1 / 16)
    conv = network.get_layer("conv1")
    clip = random_clips(4)
    image = clip.transpose(0, 2, 3, 1, 4).reshape(1, 33, 33, 12)
    kernel = keras.ops.convert_to_numpy(conv.kernel).reshape(11, 11, 4, 3, -1)
    over_time = keras.ops.conv(
        clip, kernel.transpose(2, 0, 1, 3, 4), strides=(1, 3, 3), data_format="channels_last"
    )
    np.testing.assert_allclose(
        np.maximum(over_time[:, 0], 0), keras.ops.convert_to_numpy(conv(image)), atol=1e-5
    )
    # The model hands the network the frames in this order.
    model = small_model(early_fusion.build, 4)
    inner = next(x for x in model.layers if x.name.startswith("sub_network"))
    given = keras.Model(model.input, inner.input)
    mask = np.ones((1, 4), bool)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(given([clip, mask])), image)


def test_multiresolution_sees_the_middle_and_the_whole():
    network = karpathy_multiresolution((44, 44, 3), 1 / 16)
    image = random_clips(1, 44)[0]
    fovea, context = np.split(keras.ops.convert_to_numpy(network(image)), 2, axis=-1)
    around, middle = image.copy(), image.copy()
    around[:, :11] *= -1
    around[:, 33:] *= -1
    around[:, :, :11] *= -1
    around[:, :, 33:] *= -1
    middle[:, 11:33, 11:33] *= -1
    changed = keras.ops.convert_to_numpy(network(np.concatenate([around, middle])))
    new_fovea, new_context = np.split(changed, 2, axis=-1)
    np.testing.assert_allclose(new_fovea[0], fovea[0], atol=1e-6)
    assert np.abs(new_fovea[1] - fovea[0]).max() > 1e-3
    assert np.abs(new_context - context).max(axis=(1, 2, 3)).min() > 1e-3
    half = keras.Model(network.input, network.get_layer("context").output)(image)
    blocks = image.reshape(1, 22, 2, 22, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(half), blocks, atol=1e-6)


@pytest.mark.parametrize(
    ("build", "shape", "message"),
    [
        (single_frame.build, (2, 10, 40, 3), "11 x 11"),
        (single_frame.build, (2, None, 40, 3), "known size"),
        (multiresolution.build, (2, 21, 40, 3), "22 x 22"),
        (early_fusion.build, (None, 40, 40, 3), "known length"),
        (late_fusion.build, (1, 40, 40, 3), "two frames"),
        (late_fusion.build, (None, 40, 40, 3), "known length"),
        (slow_fusion.build, (8, 40, 40, 3), "10 frames.*frames=8"),
        (slow_fusion.build, (12, 40, 40, 3), "10 frames.*frames=12"),
        (slow_fusion.build, (None, 40, 40, 3), "10 frames.*frames=None"),
        (slow_fusion.build, (10, 40, 10, 3), "11 x 11"),
    ],
)
def test_clips_that_do_not_fit_are_refused(build, shape, message):
    with pytest.raises(ValueError, match=f"{message}.*") as refusal:
        build(keras.Input(shape), keras.Input(shape[:1], dtype="bool"), 5, **SMALL)
    assert "Received: " in str(refusal.value)


def test_slow_fusion_takes_longer_clips():
    assert slow_fusion_network((18, 33, 33, 3), 1 / 64).output.shape[1] == 2


def test_a_head_of_several_answers_is_refused():
    def several(features, num_classes):
        return {"probabilities": features, "members": features}

    with pytest.raises(ValueError, match="Received: answers="):
        single_frame.build(
            keras.Input((2, 33, 33, 3)), keras.Input((2,), dtype="bool"), 5, head=several, **SMALL
        )
