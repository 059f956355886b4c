r"""Makes a run of a TensorFlow 1 checkpoint.

It takes checkpoints of the google/youtube-8m starter code and of the 2017 winner's code
(antoine77340/Youtube-8M-WILLOW). Eval, inference and export then use the run like any other. For
example:

    yt8m import_checkpoint --checkpoint=model.ckpt-300000 --num_classes=4716 \
      --model='netvlad(gating=True, head=moe(gating=True))' --train_dir=runs/netvlad
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from absl import flags

from yt8m import runs
from yt8m.base import define, jobs, temporaries
from yt8m.base.errors import UserError
from yt8m.conversion import tf1_checkpoint, tf1_weights
from yt8m.data.schema import FRAME, VIDEO, Feature, Schema
from yt8m.inputs import flags as input_flags
from yt8m.modeling import keras_model, losses, specs


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("checkpoint", "Checkpoint, such as model.ckpt-300000, or its folder.")
    define.spec("model", "The model whose weights the checkpoint holds.", None, specs.model)
    define.integer("num_classes", "Size of its vocabulary.", at_least=1, required=True)
    define.path("train_dir", "Folder of the run to make.")
    define.strings(
        "feature_names",
        "Names of the features, in the order in which the model joins them.",
        ["rgb", "audio"],
    )
    define.strings("feature_sizes", "Sizes of the features, in the same order.", ["1024", "128"])
    define.integer("max_frames", "Frames after these are left out.", 300, at_least=1)
    define.choice(
        "normalize", "How features are scaled, as in `yt8m train`.", "l2", keras_model.NORMALIZE
    )


def main() -> None:
    """Imports as the flags say."""
    args = flags.FLAGS
    if args.model is None:
        raise UserError("--model is missing: say which model the checkpoint is of.")
    sizes = input_flags.integers("feature_sizes")
    schema = find_schema(args.feature_names, sizes, of_frames="frames" in args.model.inputs)
    check_free(args.train_dir)
    variables = tf1_checkpoint.read_variables(args.checkpoint)
    model = keras_model.build(args.model, schema, args.num_classes, args.normalize)
    try:
        tf1_weights.fill(model, variables)
    except ValueError as error:
        raise UserError(
            f"The checkpoint {args.checkpoint} is not one of {args.model} with "
            f"{args.num_classes} classes: {error}. Correct --model, --num_classes, "
            "--feature_names or --feature_sizes."
        ) from None
    config = runs.RunConfig(
        model=str(args.model),
        schema=schema,
        num_classes=args.num_classes,
        preprocessing=input_flags.preprocessing(schema),
        loss=str(losses.from_spec("cross_entropy")),
        optimizer={},
        training={"imported_from": os.path.abspath(args.checkpoint)},
        flags=input_flags.given_values(),
    )
    runs.start(args.train_dir, config)
    runs.save_model(args.train_dir, keras_model.classifier(model))
    print(f"Imported {len(variables)} variables of {args.checkpoint}: {args.train_dir}")


def check_free(train_dir: str) -> None:
    """Fails where the folder holds anything but what an import that was killed leaves there.

    Raises:
        UserError: it does.
    """
    names = os.listdir(train_dir) if os.path.isdir(train_dir) else []
    if any(name != runs.CONFIG and temporaries.target_name(name) is None for name in names):
        raise UserError(f"{train_dir} is not empty. Choose another --train_dir.")


def find_schema(names: list[str], sizes: Sequence[int], of_frames: bool) -> Schema:
    """The records that a model takes.

    Args:
        names: of the features, in the order in which the model joins them.
        sizes: of the features.
        of_frames: whether they hold frames, or a vector for each video.

    Raises:
        UserError: names and sizes do not fit each other.
    """
    received = f"Received: {','.join(names)} and {','.join(map(str, sizes))}."
    if len(sizes) != len(names):
        raise UserError(
            f"--feature_names and --feature_sizes must have the same number of values. {received}"
        )
    if min(sizes, default=0) < 1 or len(set(names)) < len(names):
        raise UserError(
            "The values of --feature_names must differ, and those of --feature_sizes must be "
            f"positive. {received}"
        )
    prefix, dtype = ("", "uint8") if of_frames else ("mean_", "float32")
    features = tuple(
        Feature(prefix + name, size, dtype, prefix + name)
        for name, size in zip(names, sizes, strict=True)
    )
    return Schema(FRAME if of_frames else VIDEO, features)


if __name__ == "__main__":
    jobs.run(define_flags, main)
