"""Specs of models, losses, optimizers, clips and flow: texts of the command line."""

from __future__ import annotations

import functools
import importlib.util
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path

from tools.fuzzing import records
from tools.fuzzing.case import OUT, Case, Dice, Target, chance, pick
from tools.fuzzing.samples import CLIP_TRAINING, Samples
from tools.fuzzing.targets import reading_jobs
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.modeling import losses, specs
from yt8m.training import optimizers

_VALUES = (
    *("0", "1", "2", "3", "4", "8", "-1", "0.5", "1.0", "-0.5", "1e-9", "1e308", "1e999", "nan"),
    *("True", "False", "None", "''", "'relu'", "'x'", "()", "(1,)", "(1, 2)", "[]", "{}", "1j"),
    *("2**31", str(2**31), str(2**63), str(2**200), "0x10", "1_0", "b'x'", "'''", "\\", "é", "٣"),
    *("moe", "logistic", "moe()", "moe(mixtures=2)", "average", "lambda: 0", "__import__('os')"),
    *("f'{1}'", "...", "1 if 1 else 2", "-True", "*a", "**b", "'a' 'b'", "(" * 50, "[" * 3000),
)
_LETTERS = (*"()[]{},=@.'\"\\ \t\n#-_*0aé", "\U0001f600", "\udcff", "ﬁ", "\u202e", "==", "((", "))")


def _random_spec(dice: Dice, names: Sequence[str], keys: Callable) -> str:
    """A spec of the names, with settings of theirs at random; often its text is damaged too."""
    name = pick(dice, names)
    if dice.is_sound:
        return names[-1]
    known = keys(name)
    settings = []
    for _ in range(int(dice.integers(4))):
        key = (
            pick(dice, known) if known and chance(dice, 0.9) else pick(dice, ["x", "", "self", "_"])
        )
        value = pick(dice, _VALUES)
        if chance(dice, 0.1):
            value = _random_spec(dice, names, keys)
        settings.append(f"{key}={value}")
    text = f"{name}({', '.join(settings)})" if settings or chance(dice, 0.3) else name
    if chance(dice, 0.03):
        depth = int(pick(dice, [5, 100, 5000]))
        text = f"{name}(head=" * depth + text + ")" * depth
    return _damaged(dice, text) if chance(dice, 0.3) else text


def _damaged(dice: Dice, text: str) -> str:
    for _ in range(int(dice.integers(1, 4))):
        start = int(dice.integers(len(text) + 1))
        end = start + int(dice.integers(4))
        text = text[:start] + pick(dice, ["", *_LETTERS, text[start:end] * 2]) + text[end:]
    return text


def _parameters(function: Callable) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def _keys_of_model(name: str) -> list[str]:
    """The settings of a model, also of a published size of it."""
    try:
        return sorted(specs.model(name).settings)
    except (AttributeError, ValueError):
        return ["head", "hidden", "clusters", "mixtures", "dropout", "layers", "cells"]


def _make_model(dice: Dice, folder: Path, samples: Samples) -> Case:
    names = [*specs.model_names(), *specs.published_names(), "average(head=moe)"]
    spec = _random_spec(dice, names, _keys_of_model)
    kind = records.BYTES if dice.is_sound else pick(dice, records.KINDS)
    case = reading_jobs.training(samples, kind, str(samples.shard(kind)))
    return Case(case.module, case.flags | {"model": spec}, case.may_stay)


def _make_of_catalogue(dice: Dice, folder: Path, samples: Samples, flag: str) -> Case:
    """A spec of a loss or of an optimizer."""
    catalogue = losses if flag == "loss" else optimizers
    names = [*catalogue.names(), "cross_entropy" if flag == "loss" else "adam"]
    common = ["reduction", "name", "dtype", "weight_decay", "clipnorm", "momentum", "epsilon"]

    def keys(name: str) -> list[str]:
        try:
            return [*_parameters(type(catalogue.get(name))), *common]
        except Exception:  # noqa: BLE001 - one of the other catalogue, which is an input too.
            return common

    spec = _random_spec(dice, names, keys)
    case = reading_jobs.training(samples, records.VIDEO, str(samples.shard(records.VIDEO)))
    return Case(case.module, case.flags | {flag: spec}, case.may_stay)


def _make_of_clips(dice: Dice, folder: Path, samples: Samples, flag: str) -> Case:
    """A spec of how clips are cut, or of how flow is shown."""
    kind = Clips if flag == "clips" else Flow
    spec = _random_spec(dice, [flag], lambda _: _parameters(kind))
    model = "cnn_m(width=0.03)" if flag == "clips" else "flow_stream(model=cnn_m(width=0.03))"
    flags = {"train_data_pattern": f"{samples.clips()}#train", **CLIP_TRAINING}
    cache = {"train_dir": f"{OUT}/run", "cache_dir": f"{OUT}/cache"}
    return Case("yt8m.train", flags | cache | {"model": model, flag: spec}, ("**/*",))


_NEEDS_AV = "" if importlib.util.find_spec("av") else "the package av is not installed"
TARGETS = {
    "model_specs": Target(_make_model),
    "loss_specs": Target(functools.partial(_make_of_catalogue, flag="loss")),
    "optimizer_specs": Target(functools.partial(_make_of_catalogue, flag="optimizer")),
    "clip_specs": Target(functools.partial(_make_of_clips, flag="clips"), _NEEDS_AV),
    "flow_specs": Target(functools.partial(_make_of_clips, flag="flow"), _NEEDS_AV),
}
