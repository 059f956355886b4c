"""Raw video: damaged files, and manifests from which a run is evaluated."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from tools.fuzzing import damaged_bytes
from tools.fuzzing.case import IN, OUT, Case, Dice, Target, chance, pick
from tools.fuzzing.damaged_texts import damaged_text
from tools.fuzzing.samples import Samples
from tools.fuzzing.targets import reading_jobs


def _job(dice: Dice, folder: Path, samples: Samples) -> Case:
    """Evaluates or uses a run on the manifest in `in/`."""
    flags = {
        "cache_dir": f"{OUT}/cache",
        "num_workers": 0,
        "on_corrupt_shard": pick(dice, ["skip", "skip", "fail"]),
    }
    pattern = f"{IN}/clips.csv" + pick(dice, ["#test", "#test", "#train"])
    if chance(dice, 0.5):
        reading_jobs.copy_run(samples.clip_run(), folder / OUT / "run")
        given = {"train_dir": f"{OUT}/run", "eval_data_pattern": pattern}
        return Case("yt8m.eval", given | flags, (*reading_jobs.RUN_FILES, "cache/*"))
    given = {"train_dir": samples.clip_run(), "input_data_pattern": pattern}
    flags |= {"output_file": f"{OUT}/submission.csv"}
    return Case("yt8m.inference", given | flags, ("cache/*",))


def _make_videos(dice: Dice, folder: Path, samples: Samples) -> Case:
    _write_videos(dice, folder, samples)
    return _job(dice, folder, samples)


def _make_named(dice: Dice, folder: Path, samples: Samples) -> Case:
    """Videos without a manifest."""
    _write_videos(dice, folder, samples)
    flags = {"train_dir": samples.clip_run(), "output_file": f"{OUT}/answers.json"}
    if chance(dice, 0.6):
        formats = pick(dice, ["csv,srt", "mp4", "png"])
        flags |= {"timeline": f"{OUT}/timeline", "timeline_formats": formats}
    return Case("yt8m.predict", flags, given=(IN,))


def _write_videos(dice: Dice, folder: Path, samples: Samples) -> None:
    for path in samples.clips().parent.iterdir():
        shutil.copy(path, folder / IN / path.name)
    for number in range(4):
        path = folder / IN / f"v{number}.mp4"
        if chance(dice, 0.4) or number == 2:
            path.write_bytes(damaged_bytes.damaged(dice, path.read_bytes()))


def _make_manifest(dice: Dice, folder: Path, samples: Samples) -> Case:
    for path in samples.clips().parent.iterdir():
        shutil.copy(path, folder / IN / path.name)
    manifest = folder / IN / "clips.csv"
    manifest.write_bytes(damaged_text(dice, manifest.read_bytes()))
    return _job(dice, folder, samples)


_MISSING = "" if importlib.util.find_spec("av") else "the package av is not installed"
TARGETS = {
    "videos": Target(_make_videos, _MISSING),
    "named_videos": Target(_make_named, _MISSING),
    "clip_manifests": Target(_make_manifest, _MISSING),
}
