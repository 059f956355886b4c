"""Checkpoints that are damaged or changed: the one before is taken, and a warning names them."""

import json

import keras
import pytest

from yt8m.base.errors import UserError
from yt8m.training import checkpoints
from yt8m.training.callback import Position

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
