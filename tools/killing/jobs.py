"""The jobs that write something, each small."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tools.killing import contents
from tools.killing.inputs import NUM_CLASSES, Inputs, copy
from tools.killing.job import Job, yt8m

_OLD = "an older file\n"


def _train(inputs: Inputs, folder: Path, **flags: object) -> list[str]:
    given = {
        "train_dir": folder / "run",
        "train_data_pattern": inputs.videos / "train*.tfrecord",
        "num_classes": NUM_CLASSES,
        "model": "mlp(hidden=32, dropout=0.5)",
        "batch_size": 16,
        "num_epochs": 3,
        "learning_rate_decay_examples": 100,
        "checkpoint_steps": 4,
    }
    return yt8m("train", **(given | flags))


def _train_and_eval(inputs: Inputs, folder: Path) -> list[str]:
    """An average of weights over steps and one over evaluations, some of them within an epoch."""
    pattern = inputs.videos / "validate*.tfrecord"
    flags = {"eval_steps": 10, "ema_momentum": 0.9, "average_checkpoints": 2}
    return _train(inputs, folder, eval_data_pattern=pattern, **flags)


def _train_anew(inputs: Inputs, folder: Path) -> list[str]:
    return [*_train(inputs, folder, max_steps=12), "--start_new_model"]


def _export(inputs: Inputs, folder: Path) -> list[str]:
    archive, output = folder / "model.tgz", folder / "exported"
    flags = {"output_dir": output, "output_model_tgz": archive}
    return [*yt8m("export", train_dir=inputs.trained, **flags), "--float16"]


def _old_export(inputs: Inputs, folder: Path) -> None:
    copy(inputs.exported, folder / "exported")
    (folder / "model.tgz").write_text(_OLD)


def _inference(inputs: Inputs, folder: Path) -> list[str]:
    flags = {"input_data_pattern": inputs.frames / "*.tfrecord", "batch_size": 16}
    output = folder / "submission.csv"
    return yt8m("inference", train_dir=inputs.trained, output_file=output, **flags)


def _segment_inference(inputs: Inputs, folder: Path) -> list[str]:
    return [*_inference(inputs, folder), "--segment_labels"]


def _eval(inputs: Inputs, folder: Path) -> list[str]:
    pattern, results = inputs.frames / "*.tfrecord", folder / "results.json"
    flags = {"eval_data_pattern": pattern, "results_file": results, "batch_size": 16}
    return yt8m("eval", train_dir=inputs.trained, **flags)


def _ensemble(inputs: Inputs, folder: Path) -> list[str]:
    return yt8m(
        "ensemble",
        input_files=inputs.submissions / "*.csv",
        output_file=folder / "submission.csv",
        fit_on=inputs.frames / "validate*.tfrecord",
        num_classes=NUM_CLASSES,
        results_file=folder / "results.json",
    )


def _score(inputs: Inputs, folder: Path) -> list[str]:
    return yt8m(
        "score",
        submission_file=inputs.submissions / "top3.csv",
        eval_data_pattern=inputs.frames / "validate*.tfrecord",
        num_classes=NUM_CLASSES,
        results_file=folder / "results.json",
    )


def _late_fusion(inputs: Inputs, folder: Path) -> list[str]:
    scores = f"{inputs.scores / 'one.npz'},{inputs.scores / 'two.npz'}"
    flags = {"output_file": folder / "fused.npz", "results_file": folder / "results.json"}
    return yt8m("late_fusion", scores=scores, **flags)


def _teach(inputs: Inputs, folder: Path) -> list[str]:
    pattern = inputs.frames / "*.tfrecord"
    flags = {"input_data_pattern": pattern, "output_dir": folder / "scores"}
    return yt8m("teach", train_dir=inputs.trained, **flags)


def _teach_anew(inputs: Inputs, folder: Path) -> list[str]:
    return [*_teach(inputs, folder), "--overwrite"]


def _quantize_features(inputs: Inputs, folder: Path) -> list[str]:
    pattern = inputs.floats / "*.tfrecord"
    return yt8m("quantize_features", input_data_pattern=pattern, output_dir=folder / "shards")


def _import_features(inputs: Inputs, folder: Path) -> list[str]:
    flags = {"input_dir": inputs.arrays, "labels_file": inputs.arrays / "labels.csv"}
    given = {"splits": "train:0.7,validate:0.3", "num_shards": 3}
    return yt8m("import_features", output_dir=folder / "imported", **flags, **given)


def _old_import(inputs: Inputs, folder: Path) -> None:
    copy(inputs.imported, folder / "imported")


def _export_features(inputs: Inputs, folder: Path) -> list[str]:
    pattern = inputs.frames / "validate*.tfrecord"
    return yt8m("export_features", input_data_pattern=pattern, output_file=folder / "table.parquet")


def _inference_as_table(inputs: Inputs, folder: Path) -> list[str]:
    flags = {"input_data_pattern": inputs.frames / "*.tfrecord", "batch_size": 16}
    return yt8m(
        "inference", train_dir=inputs.trained, output_file=folder / "table.parquet", **flags
    )


def _import_checkpoint(inputs: Inputs, folder: Path) -> list[str]:
    return yt8m(
        "import_checkpoint",
        checkpoint=inputs.checkpoint,
        train_dir=folder / "run",
        model="average(head=logistic)",
        num_classes=3,
        feature_names="rgb,audio",
        feature_sizes="16,8",
    )


def _predict(inputs: Inputs, folder: Path) -> list[str]:
    flags = {"train_dir": inputs.clip_run, "output_file": folder / "answers.json"}
    flags |= {"timeline": folder / "timeline", "timeline_formats": "csv,srt,png,mp4"}
    return [*yt8m("predict", **flags), str(inputs.clips)]


def _synthetic(inputs: Inputs, folder: Path) -> list[str]:
    del inputs
    return yt8m("synthetic", output_dir=folder / "shards", num_videos=60, num_shards=3)


def _make_manifest(inputs: Inputs, folder: Path) -> list[str]:
    return yt8m("make_manifest", video_dir=inputs.clips, output_file=folder / "clips.csv")


def _extract_features(inputs: Inputs, folder: Path) -> list[str]:
    return yt8m(
        "extract_features",
        input_manifest=inputs.clips / "clips.csv",
        output_dir=folder / "features",
        backbone="karpathy",
        image_size=48,
        weights="none",
        num_shards=2,
        num_workers=1,
    )


def _old_file(name: str) -> Callable[[Inputs, Path], None]:
    """Puts text there, for jobs that replace a file whatever it holds."""

    def put(inputs: Inputs, folder: Path) -> None:
        del inputs
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_OLD)

    return put


def _old_run(inputs: Inputs, folder: Path) -> None:
    copy(inputs.trained, folder / "run")


_RUN = {"run/run.json": contents.of_json, "run/model.keras": contents.of_model}
_TRAINING = _RUN | {
    "run/checkpoints": contents.of_checkpoints,
    "run/checkpoints/*.npz": contents.of_file,
    "run/eval/*.json": contents.of_json,
    "run/eval/*.csv": contents.of_file,
}
_TRAINED = {
    "outputs": _TRAINING,
    "on_the_way": ("run/model.keras", "run/checkpoints*"),
    "keeps": "run/checkpoints",
}
_CSV = {"submission.csv": contents.of_file}
_RESULTS = {"results.json": contents.of_file}
_EXPORT = {"exported": contents.of_export, "model.tgz": contents.of_file}
_SHARDS = {"shards/*": contents.of_file}
_TABLE = {"table.parquet": contents.of_file}
_SCORES = {"scores/*": contents.of_file}
_FEATURES = {
    "features/*.*": contents.of_file,
    "features/log/*.jsonl": contents.of_file,
}

_ANSWERS = {"answers.json": contents.of_file, "timeline/*.mp4.mp4": contents.of_film}
_ANSWERS |= {f"timeline/*.{ending}": contents.of_file for ending in ("csv", "srt", "png")}

JOBS = {
    job.name: job
    for job in (
        Job("train", _train, **_TRAINED),
        Job("train_and_eval", _train_and_eval, **_TRAINED),
        Job("train_anew", _train_anew, old=_old_run, deletes=True, **_TRAINED),
        Job("export", _export, _EXPORT, old=_old_export),
        Job("inference", _inference, _CSV, old=_old_file("submission.csv")),
        Job("segment_inference", _segment_inference, _CSV, old=_old_file("submission.csv")),
        Job("eval", _eval, _RESULTS, old=_old_file("results.json")),
        Job("ensemble", _ensemble, _CSV | _RESULTS, old=_old_file("submission.csv")),
        Job("score", _score, _RESULTS, old=_old_file("results.json")),
        Job(
            "late_fusion",
            _late_fusion,
            {"fused.npz": contents.of_arrays} | _RESULTS,
            old=_old_file("results.json"),
        ),
        Job("teach", _teach, _SCORES),
        Job(
            "teach_anew",
            _teach_anew,
            _SCORES,
            old=_old_file("scores/train0000.tfrecord.teacher.npz"),
        ),
        Job(
            "quantize_features",
            _quantize_features,
            _SHARDS,
            old=_old_file("shards/validate0001.tfrecord"),
        ),
        Job(
            "import_features",
            _import_features,
            {"imported": contents.of_folder},
            old=_old_import,
        ),
        Job("export_features", _export_features, _TABLE, old=_old_file("table.parquet")),
        Job("inference_as_table", _inference_as_table, _TABLE, old=_old_file("table.parquet")),
        Job("import_checkpoint", _import_checkpoint, _RUN, writes_once=True),
        Job(
            "predict",
            _predict,
            _ANSWERS,
            old=_old_file("answers.json"),
            needs=("av", "cv2", "matplotlib"),
        ),
        Job("synthetic", _synthetic, _SHARDS, old=_old_file("shards/train0001.tfrecord")),
        Job(
            "make_manifest",
            _make_manifest,
            {"clips.csv": contents.of_file},
            old=_old_file("clips.csv"),
            needs=("av",),
        ),
        Job("extract_features", _extract_features, _FEATURES, needs=("av", "apache_beam")),
    )
}
