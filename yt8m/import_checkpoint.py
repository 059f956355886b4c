r"""Makes a run of weights that others have published.

It takes checkpoints of TensorFlow 1 of the google/youtube-8m starter code, of the 2017 winner's
code (antoine77340/Youtube-8M-WILLOW) and of NeXtVLAD's (linrongc/youtube-8m); and for raw video
those of I3D, C3D, Inception v1 and CNN-M, of TensorFlow 1, PyTorch, Caffe and NumPy. They are
listed in docs/weights.md. Every variable finds its weight and every weight its variable, or nothing
is written. Pickles are read as data, and nothing in them is called. Eval, inference and export then
use the run like any other. For example:

    yt8m import_checkpoint --checkpoint=model.ckpt-300000 --num_classes=4716 \
      --model='netvlad(gating=True, head=moe(gating=True))' --train_dir=runs/netvlad
    yt8m import_checkpoint --checkpoint=kinetics-i3d/data/checkpoints/rgb_imagenet/model.ckpt \
      --model=i3d --train_dir=runs/i3d
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import keras
from absl import flags

from yt8m import runs
from yt8m.base import define, jobs, temporaries
from yt8m.base.errors import UserError
from yt8m.base.spec_language import Spec
from yt8m.conversion import published, tf1_checkpoint, tf1_weights, video_import
from yt8m.data import class_names
from yt8m.data.schema import FRAME, VIDEO, Feature, Schema
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.inputs import flags as input_flags
from yt8m.modeling import keras_model, losses, specs

_OF_FEATURES = ("feature_names", "feature_sizes", "max_frames", "normalize")
_OF_VIDEO = ("clips", "flow", "mean", "backbone_file")


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path(
        "checkpoint",
        "Checkpoint, such as model.ckpt-300000, or its folder; of published networks of raw video "
        "also a file of PyTorch, Caffe or NumPy. One for each network, with commas.",
    )
    define.spec("model", "The model whose weights the checkpoint holds.", None, specs.model)
    define.integer(
        "num_classes",
        "Size of its vocabulary; published networks of raw video tell it.",
        at_least=1,
    )
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
    _define_video_flags()


def _define_video_flags() -> None:
    """Defines the flags of networks of raw video."""
    define.spec(
        "clips",
        "How clips are cut out of raw video; by default as the network was trained.",
        None,
        Clips.from_spec,
    )
    define.spec(
        "flow",
        "How optical flow is shown to a model that takes it; by default as I3D was trained.",
        None,
        Flow.from_spec,
    )
    define.string(
        "mean",
        "What is taken from pixels of 0 to 255: a .binaryproto, .npy or .npz, three numbers such "
        "as 104,117,128, or none for weights of pixels from -1 to 1. For c3d and cnn_m.",
        "",
    )
    define.path(
        "vocabulary_file",
        "Names of the classes, a name a line or a CSV with the columns Index and Name; by default, "
        "of raw video, label_map.txt beside the checkpoint, or up to two folders above it.",
        "",
    )
    define.path(
        "backbone_file",
        "File NAME.weights.h5 to write the image network to, for `weights=` of a spec; for "
        "single_frame(backbone='inception_v1', ...).",
        "",
    )


def main() -> None:
    """Imports as the flags say."""
    args = flags.FLAGS
    if args.model is None:
        raise UserError("--model is missing: say which model the checkpoint is of.")
    check_free(args.train_dir)
    names = None
    if {"pixels", "flow"} & set(args.model.inputs):
        _refuse_for_video(args.model)
        if args.backbone_file:
            published.check_backbone_file(args.model, args.backbone_file)
        paths = find_paths(args.model, args.checkpoint)
        given = input_flags.fill(video_import.Published, paths=paths)
        filled, schema, num_variables = video_import.load(given)
        config = video_import.config(given, schema, input_flags.given_values())
        if args.backbone_file:
            published.save_backbone(filled, args.backbone_file)
    else:
        input_flags.refuse(_OF_VIDEO, f"for {args.model.name}; it is for models of raw video")
        if args.num_classes is None:
            raise UserError("--num_classes is missing: say how large the vocabulary is.")
        if args.vocabulary_file:
            names = class_names.read(args.vocabulary_file, args.num_classes)
        sizes = input_flags.integers("feature_sizes")
        schema = find_schema(args.feature_names, sizes, of_frames="frames" in args.model.inputs)
        filled = keras_model.build(args.model, schema, args.num_classes, args.normalize)
        num_variables = fill(filled, args.model, args.num_classes, args.checkpoint)
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
    if names is not None:
        runs.write_names(args.train_dir, config, names)
    runs.save_model(args.train_dir, keras_model.classifier(filled))
    print(f"Imported {num_variables} variables of {args.checkpoint}: {args.train_dir}")


def fill(model: keras.Model, spec: Spec, num_classes: int, checkpoint: str) -> int:
    """Fills a model of features, and returns how many variables the checkpoint has.

    Raises:
        UserError: it cannot be read, or does not fill the model.
    """
    variables = tf1_checkpoint.read_variables(checkpoint)
    try:
        tf1_weights.fill(model, variables)
    except ValueError as error:
        raise UserError(
            f"The checkpoint {checkpoint} is not one of {spec} with {num_classes} classes: "
            f"{error}. Correct --model, --num_classes, --feature_names or --feature_sizes."
        ) from None
    return len(variables)


def _refuse_for_video(model: Spec) -> None:
    """Fails where a flag is given that means nothing to a model of raw video."""
    input_flags.refuse(_OF_FEATURES, f"for {model.name}, which takes raw video")
    if "flow" not in model.inputs:
        input_flags.refuse(["flow"], f"for {model.name}, which looks at pixels alone")


def find_paths(model: Spec, checkpoint: str) -> list[str]:
    """The files that a flag names: several, with commas, for a model of several networks."""
    if model.name != "two_stream":
        return [checkpoint]
    return [os.path.expanduser(path) for path in checkpoint.split(",")]


def check_free(train_dir: str) -> None:
    """Fails where the folder holds anything but what an import that was killed leaves there.

    Raises:
        UserError: it does.
    """
    names = os.listdir(train_dir) if os.path.isdir(train_dir) else []
    own = (runs.CONFIG, runs.NAMES)
    if any(name not in own and temporaries.target_name(name) is None for name in names):
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
