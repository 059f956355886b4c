"""What the tool that kills jobs takes for a fault, and how it reads what they wrote."""

import signal

import keras
import numpy as np
import pytest

from tools.killing import contents, verdict
from tools.killing.contents import Unreadable
from tools.killing.job import Job
from tools.killing.plans import AtTime, Kill
from tools.killing.processes import Ended

JOB = Job("job", lambda inputs, folder: [], {})
TRAINING = Job("training", JOB.command, {}, on_the_way=("checkpoints",), keeps="checkpoints")
OLD, NEW = {"file": "old"}, {"file": "new", "other": "new"}


def kinds(faults: list[verdict.Fault]) -> list[str]:
    return [kind for kind, _ in faults]


def ending(number, status, errors="", caught=True, job=JOB, before=None, now=None) -> list[str]:
    kill = Kill(number, AtTime(0.5), within=30.0)
    ended = Ended(status, "", errors, seconds=1.0, signalled=True, caught=caught)
    return kinds(verdict.of_ending(job, kill, ended, before or {}, now or {}))


KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        ((KILL, -9), []),
        ((KILL, None), ["late"]),
        ((TERM, None), ["late"]),
        ((TERM, 143, "INFO\nEnded by SIGTERM.\n"), []),
        ((INT, 130, "Ended by SIGINT.\n"), []),
        ((INT, 130, "It did not leave within 30 s, and is ended.\n"), []),
        ((INT, 143, "Ended by SIGINT.\n"), ["status"]),
        ((TERM, 143, "Ended by SIGINT.\n"), ["unsaid"]),
        ((TERM, 143), ["unsaid"]),
        ((TERM, 0), []),  # It was done.
        ((TERM, -15), ["status", "unsaid"]),
        ((TERM, -15, "", False), []),  # While it imports.
        ((TERM, 1, "", False), ["status"]),
        ((INT, 1, "Traceback", False), []),  # While Python starts.
        ((TERM, 1, "Traceback\nEnded by SIGTERM.\n"), ["status", "traceback"]),
    ],
)
def test_endings(ended, expected):
    assert ending(*ended) == expected


def checkpoint(step: int) -> dict:
    return {"checkpoints": {"state": {"step": step}}}


def test_a_training_says_how_to_go_on():
    said = "Ended by SIGTERM.\n"
    of_two = {"job": TRAINING, "before": checkpoint(1), "now": checkpoint(2)}
    assert ending(TERM, 143, said, **of_two) == ["unsaid"]
    assert ending(TERM, 143, f"Kept. To go on: yt8m train\n{said}", **of_two) == []
    assert ending(TERM, 143, said, **of_two | {"before": checkpoint(2)}) == []


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (OLD, []),
        (NEW, []),
        (OLD | {"other": "new"}, []),
        ({}, ["lost"]),
        ({"other": "new"}, ["lost"]),
        ({"file": "ne"}, ["partial"]),
        (OLD | {"third": "new"}, ["partial"]),
        ({"file": Unreadable("cut")}, ["partial"]),
    ],
)
def test_outputs(now, expected):
    assert kinds(verdict.of_outputs(JOB, OLD, now, NEW)) == expected


def test_a_training_may_be_on_its_way_but_not_go_back():
    def judge(before, now):
        return kinds(verdict.of_outputs(TRAINING, before, now, checkpoint(9)))

    assert judge({}, checkpoint(2)) == judge(checkpoint(2), checkpoint(3)) == []
    assert judge(checkpoint(3), checkpoint(2)) == ["lost"]
    assert judge(checkpoint(3), {}) == ["lost", "lost"]
    assert judge({}, {"checkpoints": Unreadable("cut")}) == ["partial"]


def test_results():
    assert verdict.of_result(NEW, NEW, []) == []
    assert kinds(verdict.of_result(NEW, NEW, [".tmp-1"])) == ["leftover"]
    assert kinds(verdict.of_result(OLD, NEW, [])) == ["unequal", "unequal"]
    assert kinds(verdict.of_result(NEW | {"third": "new"}, NEW, [])) == ["unequal"]


def test_differences_are_named():
    one, other = {"a": [1, {"b": 2}], "c": 3}, {"a": [1, {"b": 4}], "d": 3}
    expected = ["x/a/1/b: 2 -> 4", "x/c: 3 -> None", "x/d: None -> 3"]
    assert contents.differences(one, other, "x") == expected


def test_what_is_cut_short_cannot_be_read(tmp_path):
    """And two models of the same weights are the same, though a file holds when it was written."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    for name in ("one", "other"):
        model.save(tmp_path / f"{name}.keras")
        np.savez(tmp_path / f"{name}.npz", a=np.arange(5))
        model.save_weights(tmp_path / f"{name}.weights.h5")
        (tmp_path / f"{name}.json").write_text('{"a": 1}')
    outputs = {
        "*.keras": contents.of_model,
        "*.npz": contents.of_arrays,
        "*.h5": contents.of_weights,
        "*.json": contents.of_json,
    }
    found = contents.read(tmp_path, outputs)
    for ending in ("keras", "npz", "weights.h5", "json"):
        assert found[f"one.{ending}"] == found[f"other.{ending}"] != {}
    model.layers[0].bias.assign([1, 2, 3])
    model.save(tmp_path / "other.keras")
    for path in tmp_path.glob("one.*"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    (tmp_path / ".tmp-1-one.json").write_text("{")
    changed = contents.read(tmp_path, outputs)
    assert changed["other.keras"] != found["other.keras"]
    assert {name for name, what in changed.items() if isinstance(what, Unreadable)} == {
        "one.keras",
        "one.npz",
        "one.weights.h5",
        "one.json",
    }
    assert contents.leftovers(tmp_path) == [".tmp-1-one.json"]
