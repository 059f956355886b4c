"""Makes a run of a TensorFlow 1 checkpoint.

It takes checkpoints of the google/youtube-8m starter code and of the 2017 winner's code
(antoine77340/Youtube-8M-WILLOW). Eval, inference and export then use the run like any other. For
example:

    python -m yt8m.import_checkpoint --checkpoint=model.ckpt-300000 --num_classes=4716 \
      --model='netvlad(gating=True, head=moe(gating=True))' --train_dir=runs/netvlad
"""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf
from absl import flags

from yt8m import runs
from yt8m.base import define, jobs
from yt8m.base.errors import UserError
from yt8m.conversion import tf1_weights
from yt8m.data.schema import FRAME, VIDEO, Feature, Schema
from yt8m.inputs import flags as input_flags
from yt8m.modeling import keras_model, losses, specs


def define_flags() -> None:
    """Defines the flags of this script."""
    define.path("checkpoint", "Checkpoint, such as model.ckpt-300000, or its folder.")
    define.spec("model", "The model that the checkpoint is of.", None, specs.model)
    define.integer("num_classes", "Size of its vocabulary.", at_least=1, required=True)
    define.path("train_dir", "Folder of the run to make.")
    define.strings("feature_names", "Features, in the order it joined them.", ["rgb", "audio"])
    define.strings("feature_sizes", "Their sizes.", ["1024", "128"])
    define.integer("max_frames", "Frames after these are cut.", 300, at_least=1)
    define.choice("normalize", "As in yt8m.train.", "l2", keras_model.NORMALIZE)


def main() -> None:
    """Imports as the flags say."""
    args = flags.FLAGS
    if args.model is None:
        raise UserError("--model is missing: say which model the checkpoint is of.")
    schema = _schema(args)
    if os.path.isdir(args.train_dir) and os.listdir(args.train_dir):
        raise UserError(f"{args.train_dir} is not empty. Choose another --train_dir.")
    variables = read_variables(args.checkpoint)
    model = keras_model.build(args.model, schema, args.num_classes, args.normalize)
    try:
        tf1_weights.fill(model, variables)
    except ValueError as error:
        raise UserError(
            f"The checkpoint {args.checkpoint} is not one of {args.model} with "
            f"{args.num_classes} classes: {error}. Correct --model, --num_classes, "
            "--feature_names or --feature_sizes."
        ) from None
    runs.start(args.train_dir, _run_config(args, schema))
    runs.save_model(args.train_dir, keras_model.classifier(model))
    print(f"Imported {len(variables)} variables of {args.checkpoint}: {args.train_dir}")


def read_variables(path: str) -> dict[str, np.ndarray]:
    """Reads the variables of a model from a TensorFlow 1 checkpoint.

    Args:
        path: prefix of the checkpoint's files, or a folder, of which the latest is taken.

    Returns:
        Name, see `tf1_weights.clean_names`, -> value.

    Raises:
        UserError: there is no such checkpoint, or it cannot be read.
    """
    prefix = tf.train.latest_checkpoint(path) if os.path.isdir(path) else path
    if prefix is None or not tf.io.gfile.glob(f"{prefix}.index"):
        raise UserError(
            f"There is no checkpoint {path}. Name its files without .index or .data, or their "
            "folder if that has a file `checkpoint`."
        )
    try:
        reader = tf.train.load_checkpoint(prefix)
        names = tf1_weights.clean_names(list(reader.get_variable_to_shape_map()))
        return {name: reader.get_tensor(stored) for name, stored in sorted(names.items())}
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(f"The checkpoint {prefix} cannot be read: {error}.") from None


def _schema(args) -> Schema:
    """The records the model takes, as its inputs say."""
    sizes = input_flags.integers("feature_sizes")
    if len(sizes) != len(args.feature_names):
        raise UserError(
            "--feature_names and --feature_sizes must be as many. "
            f"Received: {','.join(args.feature_names)} and {','.join(args.feature_sizes)}."
        )
    if min(sizes, default=0) < 1 or len(set(args.feature_names)) < len(sizes):
        raise UserError(
            "--feature_names must differ and --feature_sizes be positive. "
            f"Received: {','.join(args.feature_names)} and {','.join(args.feature_sizes)}."
        )
    is_frame = "frames" in args.model.inputs
    prefix, dtype = ("", "uint8") if is_frame else ("mean_", "float32")
    features = tuple(
        Feature(prefix + name, size, dtype, prefix + name)
        for name, size in zip(args.feature_names, sizes, strict=True)
    )
    return Schema(FRAME if is_frame else VIDEO, features)


def _run_config(args, schema: Schema) -> runs.RunConfig:
    return runs.RunConfig(
        model=str(args.model),
        schema=schema,
        num_classes=args.num_classes,
        preprocessing={"normalize": args.normalize, "max_frames": args.max_frames},
        loss=str(losses.from_spec("cross_entropy")),
        optimizer={},
        training={"imported_from": os.path.abspath(args.checkpoint)},
        flags=input_flags.given_values(),
    )


if __name__ == "__main__":
    jobs.run(define_flags, main)
