"""Checkpoints hold a training; of those that are damaged or changed the one before is taken."""

import json
import os
import pathlib
import shutil

import keras
import numpy as np
import pytest
from toy_records import FRAMES, frame_batch

from yt8m.base.errors import UserError
from yt8m.modeling import keras_model, losses, specs
from yt8m.training import checkpoints
from yt8m.training.callback import Position
from yt8m.training.trainer import Trainer

FIRST, LAST = (Position(epoch=1, step_in_epoch=2, step=step, best=0.5) for step in (3, 4))


@pytest.fixture
def trainer() -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


@pytest.fixture
def run(tmp_path, trainer):
    for position in (FIRST, LAST):
        checkpoints.save(str(tmp_path), trainer, dict(vars(position)))
    assert checkpoints.restore(str(tmp_path), trainer, Position.from_json) == LAST
    return tmp_path


def change(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    "values",
    [
        {"step": 5},
        {"step": "4"},
        {"epoch": -1},
        {"epoch": None},
        {"step_in_epoch": 1.5},
        {"best": "0.5"},
        {"best": True},
        {"best": float("nan")},
        {"watched": 1},
        {"more": 1},
        {"random_generators": [[1 << 40, 0]]},
        {"random_generators": []},
        {"random_generators": {"a": 1}},
    ],
    ids=str,
)
def test_a_state_that_was_changed_is_not_believed(run, trainer, values):
    change(run / "checkpoints" / "step-000000004" / "state.json", **values)
    assert checkpoints.restore(str(run), trainer, Position.from_json) == FIRST


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b"\xff{}"], ids=range(4))
@pytest.mark.parametrize("name", ["state.json", "state.weights.h5"])
def test_a_file_that_is_another_is_not_believed(run, trainer, name, content):
    (run / "checkpoints" / "step-000000004" / name).write_bytes(content)
    assert checkpoints.restore(str(run), trainer, Position.from_json) == FIRST


def test_where_none_can_be_read_the_user_decides(run, trainer):
    for file in (run / "checkpoints").glob("*/state.json"):
        change(file, step=None)
    with pytest.raises(UserError, match=r"No checkpoint in .*Pass --start_new_model"):
        checkpoints.restore(str(run), trainer, Position.from_json)


def test_checkpoints_hold_weights_optimizer_random_state_and_position(tmp_path):
    def trainer():
        keras.utils.set_random_seed(3)
        model = keras_model.build(specs.model("average(head=mlp(hidden=4))"), FRAMES, 5)
        made = Trainer(model, 5, losses.CrossEntropy())
        made.compile(optimizer=keras.optimizers.Adam(0.01, use_ema=True))
        made(model.input)
        made.optimizer.build(made.trainable_variables)
        return made

    batch, ids = frame_batch(), np.array([[0], [1], [2], [3]])
    first = trainer()
    assert checkpoints.restore(str(tmp_path), first) is None
    for step in range(1, 5):
        first.train_on_batch(batch, ids)
        checkpoints.save(str(tmp_path), first, {"step": step, "epoch": 0})
    assert sorted(os.listdir(tmp_path / "checkpoints")) == ["step-000000003", "step-000000004"]
    second = trainer()
    assert checkpoints.restore(str(tmp_path), second) == {"step": 4, "epoch": 0}
    for _ in range(2):
        first.train_on_batch(batch, ids)
        second.train_on_batch(batch, ids)
    pairs = zip(first.variables + first.optimizer.variables,
                second.variables + second.optimizer.variables, strict=True)  # fmt: skip
    for mine, theirs in pairs:
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, caplog):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    for step in (1, 2):
        model.set_weights([np.full((2, 1), step), np.zeros(1)])
        checkpoints.save(str(tmp_path), model, {"step": step})
        checkpoints.save(str(tmp_path), model, {"step": step})  # Again, over itself.
    folder = tmp_path / "checkpoints"
    assert sorted(os.listdir(folder)) == ["step-000000001", "step-000000002"]
    (folder / "step-000000002" / "state.weights.h5").write_bytes(b"cut")
    assert checkpoints.restore(str(tmp_path), model) == {"step": 1}
    assert model.get_weights()[0][0] == 1
    (folder / "step-000000001" / "state.json").write_text("{")
    with pytest.raises(UserError, match="No checkpoint in .* can be read"):
        checkpoints.restore(str(tmp_path), model)


def test_a_checkpoint_on_a_full_disk_leaves_the_one_before(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    checkpoints.save(str(tmp_path), model, {"step": 1})
    full = shutil.disk_usage(tmp_path)._replace(free=8000)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: full)
        with pytest.raises(UserError, match=r"Cannot write .*step-000000002: No space left"):
            checkpoints.save(str(tmp_path), model, {"step": 2})
    assert os.listdir(tmp_path / "checkpoints") == ["step-000000001"]
    assert checkpoints.restore(str(tmp_path), model) == {"step": 1}


@pytest.mark.parametrize("kind", [OSError, RuntimeError])
def test_a_disk_that_becomes_full_under_a_checkpoint(kind, tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    sizes = []
    truncate = os.truncate

    def save_weights(path):
        pathlib.Path(path).write_bytes(bytes(1000))
        raise kind("Can't write (file write failed: time = now\n, errno = 28, error message = '')")

    def truncated(path, size):
        sizes.append((os.path.getsize(path), size))
        truncate(path, size)

    monkeypatch.setattr(model, "save_weights", save_weights)
    monkeypatch.setattr(os, "truncate", truncated)
    with pytest.raises(UserError, match=r"step-000000002: No space left on device\."):
        checkpoints.save(str(tmp_path), model, {"step": 2})
    assert sizes == [(1000, 0)], "before HDF5 writes the rest"
    assert os.listdir(tmp_path / "checkpoints") == []
