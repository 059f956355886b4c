r"""Exports a run: as a SavedModel to serve, as one archive to hand in, or both.

    yt8m export --train_dir=runs/netvlad --output_dir=exported \
        --vocabulary_file=vocabulary.csv --float16 --output_model_tgz=model.tgz
    yt8m export --train_dir=runs/netvlad --output_dir=models/netvlad --serving_version=next

The SavedModel needs TensorFlow and nothing of this project, see docs/serving.md for what it takes
and answers; `export.json` in its folder says what it is. With `--serving_version` it stands in a
folder of that number, as TensorFlow Serving expects. The archive holds the run, without its
checkpoints and logs. `--float16` halves the SavedModel and takes two fifths off the archive;
`--int8` makes a quarter of the SavedModel. What that costs is measured.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf
from absl import flags, logging

from yt8m import metrics, runs
from yt8m.base import define, files, jobs, provenance
from yt8m.base.errors import UserError, first_line
from yt8m.data import class_names, labels
from yt8m.data.reader import Reader
from yt8m.evaluation import predicting, report
from yt8m.inputs import flags as input_flags
from yt8m.inputs.shards import ShardInput
from yt8m.serving import output_folder, packing, quantized_weights, saved_model, versions

CONFIG = "export.json"
_NO_IMAGES = (
    "The model looks at optical flow, which TensorFlow does not compute: there is no signature of "
    "images, and the features must hold the flow as the reader of this project makes it."
)
# What an export consists of: a folder that holds anything else is not replaced.
_PARTS = {CONFIG, "saved_model.pb", "variables", "assets", "fingerprint.pb"}


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("train_dir", "Folder of the run.")
    define.path("output_dir", "Folder for the SavedModel. An export that is there is replaced.", "")
    define.string(
        "serving_version",
        "Write to the folder of this number in --output_dir, as TensorFlow Serving expects; "
        f"{versions.NEXT} takes the number above all that are there. Other versions stay.",
        "",
    )
    define.path(
        "output_model_tgz", "Archive to pack the run into, at most 1 GB.", "", any_bytes=True
    )
    define.integer("top_k", "Classes the SavedModel answers a video.", 20, at_least=1)
    define.path(
        "vocabulary_file",
        "CSV with the names of the classes: vocabulary.csv of YouTube-8M, or "
        "class_labels_indices.csv of AudioSet. By default the names that the run keeps.",
        "",
        any_bytes=True,
    )
    define.boolean("float16", "Store large weights as float16; compute in float32.")
    define.boolean(
        "int8", "Store large weights as int8 with a scale a channel; compute in float32."
    )
    define.string(
        "eval_data_pattern",
        "Shards to compare the run and its export on; with --float16 or "
        "--int8 by default those that its training evaluated on.",
        "",
    )
    input_flags.define_data_flags(batch_size=1024)


def main() -> None:
    """Exports as the flags say."""
    args = flags.FLAGS
    folder = args.output_dir
    if folder and args.serving_version:
        folder = versions.folder(folder, args.serving_version)
    is_new = args.serving_version == versions.NEXT
    _check_outputs(folder, args.output_model_tgz, args.float16, args.int8, is_new)
    method = quantized_weights.FLOAT16 if args.float16 else quantized_weights.FLOAT32
    method = quantized_weights.INT8 if args.int8 else method
    config = runs.read_config(args.train_dir)
    if args.vocabulary_file:
        names = class_names.read(args.vocabulary_file, config.num_classes)
    else:
        names = runs.read_names(args.train_dir, config)
    run = runs.load(args.train_dir)
    _check_weights(run)
    reader = _open_reader(
        run, method, args.eval_data_pattern, args.batch_size, args.on_corrupt_shard
    )
    if args.output_model_tgz:
        logging.info("Packing %s.", args.output_model_tgz)
        size = packing.pack(args.output_model_tgz, args.train_dir, method)
        print(f"Packed {args.train_dir} in {size:,} bytes: {args.output_model_tgz}")
    if folder:
        export(run, folder, args.top_k, method, names, reader, is_new)
    elif reader:
        packed = runs.load(args.train_dir).model
        packing.round_weights(packed, method)
        rounded = predicting.top_k_predictor(packed, args.top_k)
        _print_comparison(compare(run.model, rounded, reader, args.top_k))


def export(
    run: runs.Run,
    output_dir: str,
    top_k: int = 20,
    method: str = quantized_weights.FLOAT32,
    names: list[str] | None = None,
    reader: Reader | None = None,
    is_new: bool = False,
) -> dict:
    """Writes a run as a SavedModel with an export.json, and prints what it gives.

    Args:
        run: see `runs.load`.
        output_dir: the folder; it appears when it is whole, in place of an earlier export.
        top_k: classes to answer a video, at most all.
        method: how large weights are stored, see `quantized_weights.store`.
        names: of the classes; None answers none.
        reader: of the shards to compare the run and what was written on; None compares nothing.
        is_new: replace no earlier export that came to be in the meantime.

    Returns:
        What export.json holds.

    Raises:
        UserError: the folder cannot be written, or the records do not fit.
    """
    config = run.config
    top_k = min(top_k, config.num_classes)
    with output_folder.writing(output_dir, _PARTS, CONFIG, not is_new) as folder:
        logging.info("Writing %s.", output_dir)
        max_frames = config.max_frames
        try:
            with files.writing(output_dir), _quiet():
                weights = saved_model.save(
                    folder, run.model, config.schema, max_frames, top_k, method, names
                )
        except tf.errors.OpError as error:
            reason = first_line(error)
            raise UserError(f"Cannot write {output_dir}: {reason}") from error
        comparison = None
        if reader:
            comparison = compare(run.model, saved_model.load(folder), reader, top_k)
        description = _describe(config, top_k, method, names is not None) | {
            "weights_bytes": weights,
            "weights_bytes_of_run": sum(_num_bytes(v) for v in run.model.variables),
            "comparison": comparison,
        }
        files.write_json(os.path.join(folder, CONFIG), description)
    print(
        f"Exported {config.model}, weights {description['weights_bytes_of_run']:,} -> {weights:,} "
        f"bytes, {method}: {output_dir}"
    )
    if comparison:
        _print_comparison(comparison)
        if config.learns_segments:
            print("The run learnt from segments; this GAP is of whole videos.")
    return description


def compare(
    model: keras.Model,
    exported: Callable[[dict[str, np.ndarray]], tuple[np.ndarray, np.ndarray]],
    reader: Reader,
    top_k: int,
) -> dict:
    """Evaluates a model and its export, in one pass over shards.

    Args:
        model: from stored features to probabilities.
        exported: from a batch to the scores and the ids of the `top_k` best classes.
        reader: of the shards.
        top_k: classes a video that GAP pools.

    Returns:
        GAP of the model (`gap_before`) and of the export (`gap_after`), their difference
        (`gap_lost`), the number of videos, and the shards.

    Raises:
        UserError: the records do not fit, or a score is not finite.
    """
    answers = (predicting.top_k_predictor(model, top_k), exported)
    states = [metrics.Evaluation(reader.num_classes, top_k) for _ in answers]
    for batch in predicting.batches(reader, "Comparing"):
        truth = labels.multi_hot_array(batch["labels"], reader.num_classes)
        for answer, state in zip(answers, states, strict=True):
            scores, classes = answer(batch)
            predicting.check_finite(scores, batch, reader)
            state.update_top_k(scores, classes, truth)
    results = [state.result() for state in states]
    before, after = (result["gap"] for result in results)
    return {
        "gap_before": before,
        "gap_after": after,
        "gap_lost": round(before - after, 5) + 0.0,  # No minus before a zero.
        "num_examples": results[0]["num_examples"],
        "shards": reader.paths,
    }


def _print_comparison(comparison: dict) -> None:
    shown = {name: value for name, value in comparison.items() if name != "shards"}
    report.print_table("The run and its export:", shown)


def _check_outputs(output_dir: str, archive: str, float16: bool, int8: bool, is_new: bool) -> None:
    """Fails before the work where the flags or the outputs do not go together."""
    if not output_dir and not archive:
        raise UserError("Nothing to write. Pass --output_dir, --output_model_tgz, or both.")
    if float16 and int8:
        raise UserError("--float16 and --int8 exclude each other. Pass one of them.")
    if int8 and archive:
        raise UserError(
            "--int8 is for --output_dir only: --output_model_tgz packs a run, whose weights are "
            "float32. Pack it by itself, with --float16 or as it is."
        )
    if not output_dir:
        alone = ["vocabulary_file", "top_k", "serving_version"]
        input_flags.refuse(alone, "without --output_dir")
        if not float16:
            input_flags.refuse(["eval_data_pattern"], "without --output_dir or --float16")
    if output_dir:
        _check_output_dir(output_dir, is_new)
    if archive:
        _check_archive(archive, output_dir)


def _check_output_dir(path: str, is_new: bool) -> None:
    if keras.config.backend() != "tensorflow":
        raise UserError(
            "A SavedModel is made by TensorFlow, but the backend is "
            f"{keras.config.backend()}. Set KERAS_BACKEND=tensorflow: the run loads there too."
        )
    output_folder.check(path, _PARTS, CONFIG, not is_new)


def _check_archive(path: str, output_dir: str) -> None:
    if not path.endswith((".tgz", ".tar.gz")):
        raise UserError(f"--output_model_tgz must end in .tgz or .tar.gz. Received: {path}.")
    folders = pathlib.Path(path).resolve().parents
    if output_dir and pathlib.Path(output_dir).resolve() in folders:
        raise UserError(
            f"{path} lies in {output_dir}, which --output_dir replaces as a whole. Move it."
        )
    files.check_output_file(path)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides what TensorFlow says of names inside a SavedModel and of temporary files."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _check_weights(run: runs.Run) -> None:
    for variable in run.model.variables:
        if not np.isfinite(keras.ops.convert_to_numpy(variable)).all():
            raise UserError(
                f"The model of {run.train_dir} holds NaN or infinity in {variable.path}: its "
                "training diverged. Train again with a lower --base_learning_rate."
            )


def _open_reader(
    run: runs.Run, method: str, pattern: str, batch_size: int, on_corrupt: str
) -> Reader | None:
    """The shards to compare on, None for none. What a flag asks for must be there and fit."""

    def opened(pattern: str) -> Reader:
        reader = ShardInput.for_run(run.config, batch_size, on_corrupt).open(pattern)
        predicting.check_labels(reader)
        return reader

    if pattern:
        return opened(pattern)
    if method == quantized_weights.FLOAT32:
        return None
    reason = f"{run.train_dir} was trained without shards to evaluate on."
    try:
        if run.config.eval_data_pattern:
            return opened(run.config.eval_data_pattern)
    except UserError as error:
        reason = str(error)
    logging.warning(
        "What --%s costs is unknown: %s Pass --eval_data_pattern to learn it.", method, reason
    )
    return None


def _describe(config: runs.RunConfig, top_k: int, method: str, has_names: bool) -> dict:
    run = config.to_json()
    kept = ("model", "schema", "num_classes", "preprocessing", "git_commit")
    signatures = saved_model.signature_names(config.schema)
    no_images = config.takes_clips and saved_model.IMAGES not in signatures
    note = {"note": _NO_IMAGES} if no_images else {}
    return {name: run[name] for name in kept} | {
        "default_signature": signatures[0],
        "signatures": signatures,
        **note,
        "top_k": top_k,
        "names": has_names,
        "quantization": method,
        "versions": provenance.package_versions(),
        "versions_of_run": run["versions"],
    }


def _num_bytes(variable: keras.Variable) -> int:
    return keras.ops.convert_to_numpy(variable).nbytes


if __name__ == "__main__":
    jobs.run(define_flags, main)
