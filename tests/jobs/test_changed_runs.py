"""Every job that reads a run, and runs that somebody damaged or changed: one sentence each."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from job_runner import expect_error
from paths import GOLDEN

SAVED = GOLDEN / "saved_runs"
SHARDS = SAVED / "data" / "train0000.tfrecord"
CLIPS = f"{SAVED / 'videos' / 'clips.csv'}#validate"


def of_shards(run: Path, out: Path) -> dict[str, dict]:
    """The jobs that read a run of shards, and flags."""
    training = {"train_data_pattern": SHARDS, "num_classes": 7, "batch_size": 16, "max_steps": 9}
    return {
        "eval": {"train_dir": run, "eval_data_pattern": SHARDS},
        "inference": {"train_dir": run, "input_data_pattern": SHARDS, "output_file": out},
        "teach": {"train_dir": run, "input_data_pattern": SHARDS, "output_dir": out},
        "export": {"train_dir": run, "output_dir": out},
        "train": training | {"train_dir": out, "init_from": run, "model": "average"},
    }


def of_clips(run: Path, out: Path) -> dict[str, dict]:
    """The jobs that read a run of raw video only, and flags."""
    shared = {"train_dir": run, "output_dir": out, "input_data_pattern": CLIPS}
    return {"occlusion": shared, "deconvolution": shared | {"layer": "conv1"}}


def nest(folder: Path) -> None:
    (folder / "run.json").write_text("[" * 100_000)


def make_a_folder(folder: Path) -> None:
    (folder / "run.json").unlink()
    (folder / "run.json").mkdir()


def cut(folder: Path) -> None:
    content = (folder / "model.keras").read_bytes()
    (folder / "model.keras").write_bytes(content[: len(content) // 2])


def inflate(folder: Path) -> None:
    """Makes a model ask for 10^12 units wherever it asks for some."""
    with zipfile.ZipFile(folder / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    pending, changed = [config], 0
    while pending:
        node = pending.pop()
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if key in ("units", "filters"):
                node[key], changed = 10**12, changed + 1
            elif isinstance(value, (dict, list)):
                pending.append(value)
    assert changed
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (nest, ("run.json cannot be read as a run's configuration: it nests too deep",)),
        (make_a_folder, ("run.json cannot be read", "Is a directory")),
        (cut, ("model.keras cannot be loaded", "not a zip file")),
        (inflate, ("model.keras cannot be loaded", "weights or more, but its file has room for")),
    ],
)
@pytest.mark.parametrize("job", [*of_shards(Path(), Path()), *of_clips(Path(), Path())])
def test_a_run_that_was_changed_is_told(job, change, parts, tmp_path):
    run, out = tmp_path / "run", tmp_path / "out"
    jobs = of_clips(run, out) if job in of_clips(run, out) else of_shards(run, out)
    shutil.copytree(SAVED / ("clips" if job in of_clips(run, out) else "tensorflow"), run)
    change(run)
    expect_error(f"yt8m.{job}", run, *parts, **jobs[job])
    left = [path for path in out.rglob("*") if path.is_file()] if out.is_dir() else []
    assert not left or [path.name for path in left] == [".lock"], left
    assert not out.is_file()
