"""Runs from TensorFlow 1 checkpoints: equal to the originals, or refused with reasons."""

import csv
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from job_runner import run_job
from paths import SHARED, find_golden

from yt8m import import_checkpoint, runs
from yt8m.base import temporaries
from yt8m.base.errors import UserError
from yt8m.conversion import tf1_checkpoint, tf1_weights
from yt8m.data import detect
from yt8m.data.reader import Reader
from yt8m.data.schema import Feature, Schema
from yt8m.evaluation import predicting
from yt8m.modeling import keras_model, specs

GOLDENS = SHARED / "goldens"
SPECS = {
    "willow_gated_netvlad": "netvlad(clusters=4, hidden=8, gating=True, head=moe(gating=True))",
    "willow_netvlad_relu": "netvlad(clusters=4, hidden=8, relu=True, head=moe)",
    "willow_gated_netrvlad": "netrvlad(clusters=4, hidden=8, gating=True, head=moe(gating=True))",
    "willow_gated_netfv": (
        "netfv(clusters=4, hidden=8, coupled=False, gating=True, head=moe(gating=True))"
    ),
    "willow_softdbow": "soft_dbow(clusters=16, hidden=8, head=moe)",
    "willow_gated_softdbow": "soft_dbow(clusters=16, hidden=8, gated=True, head=moe(gating=True))",
    "willow_lstm": "lstm(cells=4, layers=2, output='states', head=moe)",
    "willow_gru": "gru(cells=4, layers=2, output='states', head=moe)",
    "starter_dbof": "dbof(clusters=6, hidden=5, head=moe)",
    "starter_lstm": "lstm(cells=4, layers=2, output='last', head=moe)",
    "starter_frame_logistic": "average(head=logistic)",
}
JOB = "yt8m.import_checkpoint"
needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="needs the published goldens")


def import_flags(name: str, train_dir, **changed) -> dict:
    flags = {
        "checkpoint": GOLDENS / f"pipeline_{name}_ckpt",
        "model": SPECS[name],
        "num_classes": 25,
        "train_dir": train_dir,
    }
    return flags | changed


def expected(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDENS / f"pipeline_{name}.npz") as golden:
        return dict(zip(golden["video_ids"], golden["predictions"], strict=True))


@needs_goldens
@pytest.mark.parametrize("name", SPECS)
def test_weights_of_a_checkpoint_answer_as_the_original(name):
    """All videos in one padded batch, and each by itself."""
    shard = str(GOLDENS / "pipeline_frames.tfrecord")
    schema = detect.detect([shard])
    model = keras_model.classifier(keras_model.build(specs.model(SPECS[name]), schema, 25))
    checkpoint = str(GOLDENS / f"pipeline_{name}_ckpt")
    tf1_weights.fill(model, tf1_checkpoint.read_variables(checkpoint))
    predict = predicting.predictor(model)
    for batch_size in (6, 1):
        rows = {}
        for batch in Reader([shard], schema, 25, batch_size).sequential().as_numpy_iterator():
            rows |= dict(zip((i.decode() for i in batch["ids"]), predict(batch), strict=True))
        assert rows.keys() == expected(name).keys()
        for video, row in expected(name).items():
            np.testing.assert_allclose(rows[video], row, atol=1e-5)


@needs_goldens
def test_from_the_command_line(tmp_path):
    name = "willow_gated_netvlad"
    imported = run_job("yt8m.import_checkpoint", **import_flags(name, tmp_path / "run"))
    assert imported.returncode == 0, imported.stderr
    assert "Imported 31 variables" in imported.stdout
    inference = run_job(
        "yt8m.inference",
        train_dir=tmp_path / "run",
        top_k=25,
        input_data_pattern=GOLDENS / "pipeline_frames.tfrecord",
        output_file=tmp_path / "out.csv",
    )
    assert inference.returncode == 0, inference.stderr
    with open(tmp_path / "out.csv", newline="") as file:
        rows = {row["VideoId"]: row["LabelConfidencePairs"].split() for row in csv.DictReader(file)}
    for video, probabilities in expected(name).items():
        pairs = dict(zip(map(int, rows[video][::2]), map(float, rows[video][1::2]), strict=True))
        np.testing.assert_allclose([pairs[c] for c in range(25)], probabilities, atol=1e-5)
    again = run_job("yt8m.import_checkpoint", **import_flags(name, tmp_path / "run"))
    assert again.returncode == 1
    assert "is not empty" in again.stderr


def write_checkpoint(folder: pathlib.Path, variables: dict[str, np.ndarray]) -> pathlib.Path:
    """Writes a checkpoint as TensorFlow 1 does."""
    prefix = folder / "model.ckpt-5"
    names = list(variables)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(variables[name]) for name in names],
    )
    return prefix


LOGISTIC = {
    "fully_connected/weights": np.ones((6, 3), "float32"),
    "fully_connected/biases": np.zeros(3, "float32"),
}


def logistic(num_classes: int = 3):
    schema = Schema("frame", (Feature("rgb", 6, "uint8", "rgb"),))
    return keras_model.build(specs.model("average(head=logistic)"), schema, num_classes)


def test_state_of_the_optimizer_and_the_scope_of_newer_code_are_no_weights(tmp_path):
    state = {
        "tower/fully_connected/weights/Adam": np.ones((6, 3), "float32"),
        "tower/fully_connected/weights/Adam_1": np.ones((6, 3), "float32"),
        "beta1_power": np.float32(0.5),
        "beta2_power": np.float32(0.5),
        "global_step": np.int64(5),
    }
    tower = {f"tower/{name}": value for name, value in LOGISTIC.items()}
    prefix = write_checkpoint(tmp_path, tower | state)
    variables = tf1_checkpoint.read_variables(str(prefix))
    assert variables.keys() == LOGISTIC.keys()
    model = logistic()
    tf1_weights.fill(model, variables)
    np.testing.assert_array_equal(model.get_weights()[0], LOGISTIC["fully_connected/weights"])


def test_cells_of_older_tensorflow_have_their_later_names():
    cell = "rnn/multi_rnn_cell/cell_0/basic_lstm_cell"
    stored = [f"RNN/{cell}/weights", f"RNN/{cell}/biases", "gates/weights"]
    assert tf1_weights.clean_names(stored) == {
        f"{cell}/kernel": f"RNN/{cell}/weights",
        f"{cell}/bias": f"RNN/{cell}/biases",
        "gates/weights": "gates/weights",
    }


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        (
            {"gating_bn/gamma": np.ones(3, "float32")},
            ["no weight for the variable gating_bn/gamma"],
        ),
        ({"fully_connected/biases": None}, ["no variable fully_connected/biases for dense"]),
        (
            {"fully_connected/weights": np.ones((7, 3), "float32")},
            ["weights [7, 3] cannot make dense", "[6, 3]"],
        ),
        ({"fully_connected/weights": np.float32(1)}, ["weights [] cannot make dense"]),
        ({"fully_connected/biases": np.full(3, np.nan)}, ["biases [3] is not finite"]),
        (
            {"fully_connected/biases": None, "other": np.ones(2, "float32")},
            ["no variable fully_connected/biases", "no weight for the variable other [2]"],
        ),
    ],
    ids=["left over", "missing", "shape", "scalar", "nan", "both"],
)
def test_what_does_not_fit_is_named_and_nothing_is_set(changed, parts):
    variables = {k: v for k, v in (LOGISTIC | changed).items() if v is not None}
    model = logistic()
    before = model.get_weights()
    with pytest.raises(ValueError) as error:
        tf1_weights.fill(model, variables)
    for part in parts:
        assert part in str(error.value)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_value_that_cannot_be_converted_is_named():
    schema = Schema("frame", (Feature("rgb", 6, "uint8", "rgb"),))
    model = keras_model.build(specs.model("netvlad(clusters=2, hidden=4)"), schema, 3)
    centres = {"video_VLAD/cluster_weights2": np.ones((2, 6, 2), "float32")}
    with pytest.raises(ValueError, match=r"cluster_weights2 \[2, 6, 2\] cannot make net_vlad"):
        tf1_weights.fill(model, centres)


def test_one_variable_does_not_fill_two_classifiers():
    schema = Schema("video", (Feature("mean_rgb", 6, "float32", "mean_rgb"),))
    model = keras_model.build(specs.model("ensemble(members=2, member=moe)"), schema, 3)
    variables = {"gates/weights": np.ones((6, 9)), "experts/weights": np.ones((6, 6))}
    with pytest.raises(ValueError, match="gates/weights would fill both mixture_of_experts.* and"):
        tf1_weights.fill(model, variables | {"experts/biases": np.ones(6)})


def test_nextvlad_by_its_authors_names():
    """The golden of the pooling, behind it a hidden layer, its gate and a logistic in NumPy."""
    with np.load(find_golden("nextvlad_pool.npz")) as arrays:
        golden = dict(arrays)
    random = np.random.default_rng(2)
    pooled, width, gate = golden["out/infer"], 6, 3
    variables = {f"video_VLAD/{k[2:]}": v for k, v in golden.items() if k.startswith("w/")}
    shapes = {"hidden1_weights": (pooled.shape[1], width), "gating_weights_1": (width, gate)}
    shapes |= {"gating_weights_2": (gate, width), "fully_connected/weights": (width, 5)}
    shapes |= {"fully_connected/biases": (5,)}
    for scope, size in (("hidden1_bn", width), ("gating_bn", gate)):
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        shapes |= {f"{scope}/{name}": (size,) for name in names}
    variables |= {n: random.uniform(0.2, 1, shape).astype("f") for n, shape in shapes.items()}

    def norm(x, scope):
        gamma, beta, mean, variance = (
            variables[f"{scope}/{n}"] for n in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta

    hidden = norm(pooled @ variables["hidden1_weights"], "hidden1_bn")
    gates = np.maximum(norm(hidden @ variables["gating_weights_1"], "gating_bn"), 0)
    hidden = hidden / (1 + np.exp(-gates @ variables["gating_weights_2"]))
    scores = hidden @ variables["fully_connected/weights"] + variables["fully_connected/biases"]
    spec = specs.model("nextvlad(clusters=5, groups=4, hidden=6, reduction=2)")
    frames = keras.Input(golden["in/frames"].shape[1:])
    mask = keras.Input(golden["in/mask"].shape[1:], dtype="bool")
    model = keras.Model([frames, mask], spec.partial()({"rgb": frames}, mask, 5))
    tf1_weights.fill(model, variables)
    answer = model.predict_on_batch([golden["in/frames"], golden["in/mask"].astype(bool)])
    np.testing.assert_allclose(answer, 1 / (1 + np.exp(-scores)), atol=1e-5)


@pytest.mark.parametrize(
    ("names", "sizes"), [("rgb,rgb", "6,6"), ("rgb,audio", "-1,3"), ("rgb,audio", "0,3")]
)
def test_features_that_cannot_be(tmp_path, names, sizes):
    prefix = write_checkpoint(tmp_path, LOGISTIC)
    flags = {"feature_names": names, "feature_sizes": sizes, "model": "average", "num_classes": 3}
    wrong = run_job(
        "yt8m.import_checkpoint", checkpoint=prefix, train_dir=tmp_path / "run", **flags
    )
    assert "ERROR: The values of --feature_names must differ, and those of" in wrong.stderr


def test_a_layer_without_a_counterpart_is_named():
    schema = Schema("frame", (Feature("rgb", 6, "uint8", "rgb"),))
    model = keras_model.build(specs.model("transformer(width=8, heads=2)"), schema, 3)
    with pytest.raises(ValueError, match="no rule for the weight class_token_encoder/token"):
        tf1_weights.fill(model, LOGISTIC)


def test_errors_from_the_command_line(tmp_path):
    prefix = write_checkpoint(tmp_path, LOGISTIC)
    flags = {"feature_names": "rgb", "feature_sizes": "6", "model": "average", "num_classes": 4}
    wrong = run_job(
        "yt8m.import_checkpoint", checkpoint=prefix, train_dir=tmp_path / "run", **flags
    )
    assert wrong.returncode == 1
    (line,) = (line for line in wrong.stderr.splitlines() if line.startswith("ERROR"))
    assert "fully_connected/weights [6, 3] cannot make dense" in line and "[6, 4]" in line
    assert not (tmp_path / "run").exists()


def test_the_classes_get_names(tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog\nowl\n")
    flags = {"model": "average(head=logistic)", "feature_names": "rgb", "feature_sizes": 6}
    flags |= {"train_dir": tmp_path / "run", "vocabulary_file": tmp_path / "names.txt"}
    flags |= {"checkpoint": write_checkpoint(tmp_path, LOGISTIC), "num_classes": 3}
    assert run_job("yt8m.import_checkpoint", **flags).returncode == 0
    config = runs.read_config(str(tmp_path / "run"))
    assert runs.read_names(str(tmp_path / "run"), config) == ["cat", "dog", "owl"]


def test_an_import_that_was_killed_is_started_again(tmp_path):
    """It leaves its configuration and a model half written; whatever else is there is not its."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("run.json", "vocabulary.csv"):
        (folder / name).write_text("{}")
    half = pathlib.Path(temporaries.name(str(folder / "model.keras")))
    half.write_text("half")
    import_checkpoint.check_free(str(folder))
    for name in ("model.keras", ".lock", "notes.txt"):
        (folder / name).write_text("")
        with pytest.raises(UserError, match="run is not empty. Choose another --train_dir"):
            import_checkpoint.check_free(str(folder))
        (folder / name).unlink()


@pytest.mark.parametrize("path", ["nothing", "."])
def test_a_checkpoint_that_is_not_there(tmp_path, path):
    with pytest.raises(UserError, match="There is no checkpoint"):
        tf1_checkpoint.read_variables(str(tmp_path / path))


def test_a_damaged_checkpoint(tmp_path):
    prefix = write_checkpoint(tmp_path, LOGISTIC)
    pathlib.Path(f"{prefix}.index").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match="cannot be read"):
        tf1_checkpoint.read_variables(str(prefix))


@pytest.mark.parametrize("part", ["index", "data-00000-of-00001"])
def test_a_checkpoint_that_is_damaged_anywhere(tmp_path, part):
    """TensorFlow raises what it likes: one of the first 40 seeds is an IndexError."""
    prefix = write_checkpoint(tmp_path, LOGISTIC)
    assert len(tf1_checkpoint.read_variables(str(prefix))) == 2
    path = pathlib.Path(f"{prefix}.{part}")
    whole = path.read_bytes()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        damaged = bytearray(whole[: rng.integers(len(whole) // 2, len(whole))])
        damaged[rng.integers(len(damaged))] ^= 1 + seed
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"The checkpoint .*model\.ckpt-5 cannot be read: "):
            tf1_checkpoint.read_variables(str(prefix))


def test_data_that_are_shorter_than_the_variables_are_not_read(tmp_path):
    prefix = write_checkpoint(tmp_path, LOGISTIC)
    pathlib.Path(f"{prefix}.data-00000-of-00001").write_bytes(bytes(80))
    with pytest.raises(UserError, match="it lists variables of 84 bytes, but its data has 80"):
        tf1_checkpoint.read_variables(str(prefix))


def test_a_list_of_checkpoints_that_is_no_text(tmp_path):
    (tmp_path / "checkpoint").write_bytes(b'model_checkpoint_path: "\xff"')
    with pytest.raises(UserError, match="checkpoint cannot be read as the list of checkpoints"):
        tf1_checkpoint.read_variables(str(tmp_path))
