"""The jobs that look inside a run of raw video, as a user starts them."""

import types

import keras
import numpy as np
import pytest
from clip_files import write_clips
from job_runner import expect_error, succeed

from yt8m import runs
from yt8m.base.errors import UserError
from yt8m.data.schema import Feature, Schema
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.inputs.clip_settings import ClipSettings
from yt8m.interpretation import first_clips
from yt8m.modeling import keras_model, specs

cv2 = pytest.importorskip("cv2")

from yt8m.data.video import workers  # noqa: E402
from yt8m.inputs import clips as clip_inputs  # noqa: E402

FRAMES = 16  # The videos have 12, so the rest is padding.


def save_run(folder, model, schema):
    spec = specs.model(model)
    keras.utils.set_random_seed(0)
    keras.utils.clear_session()
    network = keras_model.classifier(keras_model.build(spec, schema, 2))
    settings = {"normalize": "l2", "max_frames": 300}
    config = runs.RunConfig(str(spec), schema, 2, settings, "softmax", {}, {})
    runs.start(str(folder), config)
    runs.save_model(str(folder), network)
    return folder


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return write_clips(tmp_path_factory.mktemp("clips"), num_train=0, num_validate=3)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    settings = Clips(frames=FRAMES, resize=24, crop=20, short="mask")
    schema = ClipSchema(("pixels",), settings, None, ("left", "right"))
    return save_run(tmp_path_factory.mktemp("one") / "run", "c3d(width=0.03)", schema)


@pytest.fixture(scope="module")
def two_inputs(tmp_path_factory):
    settings = Clips(frames=2, resize=24, crop=(20, 24))
    schema = ClipSchema(("pixels", "flow"), settings, Flow(length=2), ("left", "right"))
    model = "two_stream(spatial=cnn_m(width=0.03), temporal=temporal_cnn_m(width=0.03))"
    return save_run(tmp_path_factory.mktemp("two") / "run", model, schema)


def read(path):
    """What an .npz holds."""
    with np.load(path) as file:
        return dict(file)


def flags(clips, run, tmp_path, **others):
    return {
        "train_dir": run,
        "input_data_pattern": clips,
        "output_dir": tmp_path / "new" / "out",
        "num_workers": 0,
        **others,
    }


def test_the_first_videos_are_read(monkeypatch):
    """The processes that decode also look into a data set's shards."""
    listing, asked = clip_inputs.listing.Listing(["a", "b", "c"], (), ()), []
    monkeypatch.setattr(
        clip_inputs.listing, "read", lambda parts, log, number: asked.append(number) or listing
    )
    monkeypatch.setattr(clip_inputs.ClipInput, "reader", lambda *arguments: arguments)
    run = types.SimpleNamespace(config=types.SimpleNamespace(schema="schema"))
    settings = ClipSettings(cache_dir="kept", num_workers=3, on_corrupt="fail")
    source, first, log, _ = first_clips.open_videos(run, "tfds:single#test", 2, 5, settings)
    assert first.videos == ["a", "b"] and asked == [3]
    assert source == clip_inputs.ClipInput("schema", 5, settings)
    assert log.on_corrupt_shard == "fail"
    first_clips.open_videos(run, "tfds:single#test", 2, 5, ClipSettings())
    assert asked == [3, workers.default_number()]
    with pytest.raises(UserError, match="run takes raw video.*Received: shards"):
        first_clips.open_videos(run, "shards", 2, 5, settings)


def test_occlusion_maps_are_drawn_and_kept(clips, run, tmp_path):
    given = flags(clips, run, tmp_path, num_videos=2, patch=10, stride=6, shown_frames=3)
    assert "2 videos" in succeed("yt8m.occlusion", **given)
    out = given["output_dir"]
    names = ["000-v_g00_c00", "001-v_g00_c01"]
    assert sorted(path.name for path in out.iterdir()) == [
        f"{name}.{kind}" for name in names for kind in ("npz", "png")
    ]
    for name, label in zip(names, ("left", "right"), strict=True):
        kept = read(out / f"{name}.npz")
        assert kept["times"].tolist() == [0, 2, 4, 6, 8]  # 4 frames each, and no padding.
        assert kept["rows"].tolist() == kept["columns"].tolist() == [0, 6, 10]
        assert kept["drop"].shape == (5, 3, 3)
        assert 0 < np.abs(kept["drop"]).max() < 1
        assert kept["class_name"] == label
        picture = cv2.imread(str(out / f"{name}.png"))
        assert len(picture) > 3 * 200 and picture.std() > 20


def test_two_inputs_are_hidden_together_or_one_alone(clips, two_inputs, tmp_path):
    given = flags(clips, two_inputs, tmp_path, num_videos=1, patch=10, class_name="right")
    drops = {}
    for hidden in ("all", "pixels", "flow"):
        succeed("yt8m.occlusion", **given, input=hidden)
        kept = read(given["output_dir"] / "000-v_g00_c00.npz")
        assert kept["inputs"].tolist() == (["pixels", "flow"] if hidden == "all" else [hidden])
        assert kept["class_name"] == "right"
        drops[hidden] = kept["drop"]
    np.testing.assert_allclose(drops["all"], drops["pixels"] + drops["flow"], atol=1e-6)
    assert all(drop.any() for drop in drops.values())


def test_units_are_drawn(clips, run, tmp_path):
    given = flags(clips, run, tmp_path, layer="conv3d_1", top_units=2, top_videos=2)
    assert "2 unit(s)" in succeed("yt8m.deconvolution", **given)
    paths = sorted(given["output_dir"].iterdir())
    assert len(paths) == 2
    for path in paths:
        assert path.name.startswith("conv3d_1-unit-000")
        assert cv2.imread(str(path)).std() > 20


def test_a_unit_of_an_inner_layer_is_drawn(clips, two_inputs, tmp_path):
    layer = "temporal/sub_network/conv2d"
    given = flags(clips, two_inputs, tmp_path, layer=layer, unit=1, method="guided")
    succeed("yt8m.deconvolution", **given)
    [path] = given["output_dir"].iterdir()
    assert path.name == "temporal-sub_network-conv2d-unit-0001.png"


def test_what_does_not_fit_is_refused(clips, run, tmp_path):
    given = flags(clips, run, tmp_path)
    occlude, units = "yt8m.occlusion", "yt8m.deconvolution"
    expect_error(occlude, "--patch", "(28, 28)", "(20, 20)", **given)
    expect_error(occlude, "'lift'", "mean 'left'", class_name="lift", patch=5, **given)
    expect_error(occlude, "pixels alone", "--input=flow", input="flow", patch=5, **given)
    expect_error(units, "'conv3d_11'", "mean 'conv3d_1'", layer="conv3d_11", **given)
    expect_error(units, "from 0 to 1", "--unit=2", layer="conv3d", unit=2, **given)
    expect_error(units, "--top_units", layer="conv3d", unit=1, top_units=2, **given)
    assert not given["output_dir"].exists() or not list(given["output_dir"].iterdir())


def test_a_run_of_shards_has_nothing_to_show(clips, tmp_path):
    schema = Schema("frame", (Feature("rgb", 6, "uint8", "rgb"),))
    folder = save_run(tmp_path / "run", "average", schema)
    given = flags(clips, folder, tmp_path)
    expect_error("yt8m.occlusion", folder, "takes shards", **given)
    expect_error("yt8m.deconvolution", folder, "takes shards", layer="dense", **given)
