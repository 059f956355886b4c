"""What stands in a run directory: its configuration, its model, its checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

from tools.fuzzing import damaged_bytes, records
from tools.fuzzing.case import OUT, Case, Dice, Target, chance, pick
from tools.fuzzing.damaged_values import damaged_json
from tools.fuzzing.samples import Samples
from tools.fuzzing.targets import reading_jobs, zips

_ALL = ("run/**/*",)


def _job_on_run(dice: Dice, samples: Samples, kind: str) -> Case:
    """A job that uses the run in `out/run`."""
    shard, run = str(samples.shard(kind)), {"train_dir": f"{OUT}/run"}
    name = pick(dice, ["eval", "inference", "export", "train", "init_from", "teach"])
    if name == "eval":
        return Case("yt8m.eval", run | {"eval_data_pattern": shard}, reading_jobs.RUN_FILES)
    if name == "inference":
        flags = run | {"input_data_pattern": shard, "output_file": f"{OUT}/submission.csv"}
        return Case("yt8m.inference", flags, reading_jobs.RUN_FILES)
    if name == "export":
        part = pick(dice, [{"output_dir": f"{OUT}/model"}, {"output_model_tgz": f"{OUT}/m.tgz"}])
        return Case("yt8m.export", run | part, reading_jobs.RUN_FILES)
    if name == "teach":
        flags = run | {"input_data_pattern": shard, "output_dir": f"{OUT}/scores"}
        return Case("yt8m.teach", flags, reading_jobs.RUN_FILES)
    if name == "train":
        return _going_on(samples, kind)
    case = reading_jobs.training(samples, kind, shard, init_from=f"{OUT}/run")
    flags = case.flags | {"train_dir": f"{OUT}/new"}
    return Case(case.module, flags, (*reading_jobs.RUN_FILES, "new/**/*"))


def _going_on(samples: Samples, kind: str) -> Case:
    """The training that the run in `out/run` is of, for two steps more."""
    config = json.loads((samples.run_dir(kind) / "run.json").read_text())
    model = config["flags"]["model"]
    case = samples.training(f"{OUT}/run", model=model, train_data_pattern=samples.shard(kind))
    return Case(case.module, case.flags | {"max_steps": 6}, _ALL)


def _make_config(dice: Dice, folder: Path, samples: Samples) -> Case:
    kind = pick(dice, records.KINDS)
    run = folder / OUT / "run"
    reading_jobs.copy_run(samples.run_dir(kind), run, "checkpoints")
    path = run / "run.json"
    path.write_bytes(damaged_json(dice, path.read_bytes()))
    case = _job_on_run(dice, samples, kind)
    return Case(case.module, case.flags, (*case.may_stay, "run/checkpoints/**/*"))


def _make_model_file(dice: Dice, folder: Path, samples: Samples) -> Case:
    kind = pick(dice, (records.VIDEO, records.BYTES))
    run = folder / OUT / "run"
    reading_jobs.copy_run(samples.run_dir(kind), run)
    path = run / "model.keras"
    path.write_bytes(zips.damaged_zip(dice, path.read_bytes()))
    return _job_on_run(dice, samples, kind)


def _make_checkpoint(dice: Dice, folder: Path, samples: Samples) -> Case:
    kind = pick(dice, (records.VIDEO, records.BYTES))
    run = folder / OUT / "run"
    reading_jobs.copy_run(samples.run_dir(kind), run, "checkpoints")
    for step in sorted((run / "checkpoints").glob("step-*"), reverse=True):
        path = step / pick(dice, ["state.json", "state.weights.h5", "state.weights.h5"])
        damage = damaged_json if path.suffix == ".json" else damaged_bytes.damaged
        path.write_bytes(damage(dice, path.read_bytes()))
        if not dice.is_sound and chance(dice, 0.05):
            path.unlink()
        if chance(dice, 0.5):
            break
    return _going_on(samples, kind)


TARGETS = {
    "run_configs": Target(_make_config),
    "model_files": Target(_make_model_file),
    "checkpoints": Target(_make_checkpoint),
}
