"""Two streams: their networks, what each learns of, and how their answers are fused."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from frame_models.pixels import cnn_m, flow_stream, temporal_cnn_m, two_stream, two_stream_3d
from frame_models.pixels.layers.fusion import Fusion
from video_models import ensemble

# Keras' own, when NumPy 2 reads a variable it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CLASSES, FRAMES, SIDE = 5, 3, 40
PIXELS, FLOW = (FRAMES, SIDE, SIDE, 3), (FRAMES, SIDE, SIDE, 4)
LENGTHS = np.array([3, 1, 2])
MASK = np.arange(FRAMES) < LENGTHS[:, None]
RANDOM = np.random.default_rng(12)
SPATIAL = functools.partial(cnn_m.build, width=1 / 16)
TEMPORAL = functools.partial(temporal_cnn_m.build, width=1 / 16)


def clips(shape):
    return RANDOM.uniform(-1, 1, (len(LENGTHS), *shape)).astype("f")


def make_two(**settings):
    inputs = [keras.Input(PIXELS), keras.Input(FLOW), keras.Input((FRAMES,), dtype="bool")]
    settings = {"spatial": SPATIAL, "temporal": TEMPORAL} | settings
    return keras.Model(inputs, two_stream.build(*inputs, CLASSES, **settings))


def make_one(build, shape, num_classes=CLASSES, **settings):
    inputs = [keras.Input(shape), keras.Input(shape[:1], dtype="bool")]
    return keras.Model(inputs, build(*inputs, num_classes, **settings))


@pytest.mark.parametrize(
    ("build", "channels", "settings", "expected"),
    [
        (cnn_m.build, 3, {}, 67_559_141),
        (cnn_m.build, 3, {"rounding": "up"}, 90_627_813),
        (flow_stream.build, 20, {}, 67_639_109),
    ],
)
def test_number_of_parameters(build, channels, settings, expected):
    """Nothing is allocated: variables of a stateless scope have no value."""
    with keras.StatelessScope(initialize_variables=False):
        model = make_one(build, (25, 224, 224, channels), num_classes=101, **settings)
        assert model.count_params() == expected
    keras.utils.clear_session()


def test_momentum_is_that_of_both_backbones():
    inputs = [keras.Input(PIXELS), keras.Input(FLOW), keras.Input((FRAMES,), dtype="bool")]
    output = two_stream_3d.build(*inputs, CLASSES, width=1 / 32, momentum=0.0)
    model = keras.Model(inputs, output)
    mask = np.ones((2, FRAMES), dtype=bool)
    shown = [RANDOM.uniform(-1, 1, (2, *shape)).astype("f") for shape in (PIXELS, FLOW)]
    model([*shown, mask], training=True)
    once = model.get_weights()
    model([*shown, mask], training=True)
    for weight, before, after in zip(model.weights, once, model.get_weights(), strict=True):
        np.testing.assert_array_equal(after, before, err_msg=weight.path)


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def test_product_is_the_softmax_of_the_summed_logits():
    logits = RANDOM.normal(0, 5, (4, 2, CLASSES))
    result = Fusion("product")(softmax(logits).astype("f"))
    np.testing.assert_allclose(result, softmax(logits.sum(1)), rtol=1e-4)
    weighed = Fusion("product", (1.0, 3.0))(softmax(logits).astype("f"))
    expected = softmax(0.5 * logits[:, 0] + 1.5 * logits[:, 1])
    np.testing.assert_allclose(weighed, expected, rtol=1e-4)


def test_product_of_zeros_is_finite():
    zeros = np.zeros((1, 2, CLASSES), "f")
    np.testing.assert_allclose(Fusion("product")(zeros), 1 / CLASSES)


def test_average_is_weighed():
    given = RANDOM.uniform(size=(4, 2, CLASSES)).astype("f")
    expected = (given[:, 0] + 2 * given[:, 1]) / 3
    np.testing.assert_allclose(Fusion("average", (1 / 3, 2 / 3))(given), expected, rtol=1e-5)


@pytest.mark.parametrize("fusion", ["average", "product"])
def test_streams_are_the_models_alone(fusion):
    both = make_two(fusion=fusion)
    spatial = make_one(SPATIAL, PIXELS)
    temporal = make_one(functools.partial(flow_stream.build, model=TEMPORAL), FLOW)
    half = len(spatial.weights)
    assert [w.shape for w in both.weights[half:]] == [w.shape for w in temporal.weights]
    both.set_weights(spatial.get_weights() + temporal.get_weights())
    pixels, flow = clips(PIXELS), clips(FLOW)
    result = both([pixels, flow, MASK])
    members = [np.asarray(spatial([pixels, MASK])), np.asarray(temporal([flow, MASK]))]
    np.testing.assert_allclose(result["members"], np.stack(members, 1), atol=1e-6)
    product = members[0] * members[1]
    product /= product.sum(1, keepdims=True)
    expected = product if fusion == "product" else (members[0] + members[1]) / 2
    np.testing.assert_allclose(result["probabilities"], expected, atol=1e-5)


def test_a_streams_loss_is_its_own():
    model = make_two()
    with tf.GradientTape() as tape:
        members = model([clips(PIXELS), clips(FLOW), MASK], training=True)["members"]
        loss = -tf.reduce_sum(tf.math.log(members[:, 1, 0]))
    gradients = tape.gradient(loss, model.trainable_weights)
    for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
        assert weight.path.startswith(("spatial/", "temporal/"))
        learns = gradient is not None and np.abs(gradient).max() > 0
        assert learns == weight.path.startswith("temporal/"), weight.path


def test_paths_of_variables_are_distinct_and_stay(tmp_path):
    model = make_two(temporal=SPATIAL)
    paths = [w.path for w in model.weights]
    assert len(set(paths)) == len(paths)
    half = len(paths) // 2
    tails = [path.removeprefix("spatial/") for path in paths[:half]]
    assert tails == [path.removeprefix("temporal/") for path in paths[half:]]
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert [w.path for w in again.weights] == paths
    given = [clips(PIXELS), clips(FLOW), MASK]
    np.testing.assert_array_equal(again(given)["members"], model(given)["members"])


def test_streams_keep_the_weights_they_come_with():
    built = []

    def pretrained(pixels, mask, num_classes):
        x = keras.layers.Dense(2, name="pretrained")
        features = keras.layers.Reshape((-1,))(x(pixels))
        built.append(x.kernel.numpy())
        return keras.layers.Dense(num_classes, "softmax")(features)

    model = make_two(spatial=pretrained)
    np.testing.assert_array_equal(model.weights[0], built[0])


def test_cnn_m_averages_its_answers_to_the_frames_of_a_clip():
    model = make_one(SPATIAL, PIXELS)
    frame = make_one(SPATIAL, (1, *PIXELS[1:]))
    frame.set_weights(model.get_weights())
    given = clips(PIXELS)
    given[~MASK] = np.nan
    result = np.asarray(model([given, MASK]))
    for clip, length, answer in zip(given, LENGTHS, result, strict=True):
        each = frame([clip[:length, None], np.ones((length, 1), bool)])
        np.testing.assert_allclose(answer, np.asarray(each).mean(0), atol=1e-6)


def layers_of(build, shape=(1, 224, 224, 3), **settings):
    with keras.StatelessScope(initialize_variables=False):
        model = make_one(build, shape, width=1 / 64, **settings)
        network = next(layer for layer in model.layers if "sub_network" in layer.name).network
    return network.layers


def sides(layers, kind):
    return [layer.output.shape[1] for layer in layers if type(layer).__name__ == kind]


def test_maps_of_cnn_m():
    layers = layers_of(cnn_m.build)
    assert sides(layers, "Conv2D") == [109, 26, 12, 12, 12]
    assert sides(layers, "MaxPooling2D") == [54, 12, 5]
    assert sides(layers, "LocalResponseNormalization") == [109, 26]
    assert [x.rate for x in layers if "dropout" in x.name] == [0.5, 0.5]
    layers = layers_of(cnn_m.build, rounding="up")
    assert sides(layers, "MaxPooling2D") == [54, 13, 6]
    layers = layers_of(temporal_cnn_m.build)
    assert sides(layers, "LocalResponseNormalization") == [109]
    assert [x.rate for x in layers if "dropout" in x.name] == [0.9, 0.9]


def test_a_pool_that_rounds_up_takes_the_last_window():
    """Of 18 values at the first pool, windows of 3 at a stride of 2 leave one over."""
    down, up = (make_one(SPATIAL, (1, 42, 42, 3), rounding=value) for value in ("down", "up"))
    up.set_weights(down.get_weights())
    images = RANDOM.uniform(-1, 1, (2, 1, 42, 42, 3)).astype("f")
    answers = [np.asarray(model([images, np.ones((2, 1), bool)])) for model in (down, up)]
    assert np.abs(answers[0] - answers[1]).max() > 1e-4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fusion": "sum"}, "fusion='sum'"),
        ({"weights": (1.0,)}, "weights="),
        ({"weights": (-1.0, 2.0)}, "weights="),
        ({"weights": (0.0, 0.0)}, "weights="),
        ({"temporal": functools.partial(TEMPORAL, head=ensemble.build)}, "once"),
        ({"spatial": functools.partial(SPATIAL, norms=3)}, "norms=3"),
        ({"spatial": functools.partial(SPATIAL, rounding="off")}, "rounding='off'"),
    ],
    ids=["fusion", "one weight", "negative", "zeros", "several answers", "norms", "rounding"],
)
def test_settings_of_a_two_stream_model_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_two(**settings)


def test_a_stream_of_several_answers_is_refused():
    def several(pixels, mask, num_classes):
        return {"probabilities": keras.ops.mean(pixels, axis=(1, 2, 3))}

    with pytest.raises(ValueError, match="spatial stream"):
        make_two(spatial=several)


@pytest.mark.parametrize("shape", [(1, 18, 40, 3), (1, None, None, 3)])
def test_frames_of_no_use_to_cnn_m(shape):
    with pytest.raises(ValueError, match="known size"):
        make_one(SPATIAL, shape)
