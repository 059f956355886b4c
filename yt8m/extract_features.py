r"""Makes frame-level records of videos, in the format of YouTube-8M.

    yt8m extract_features --input_manifest=clips.csv --output_dir=features

A network of images makes a vector of each frame, which becomes bytes under `rgb`; or, with
--train_dir, a run of raw video makes one of each window of frames. Where VGGish's
weights are given, sound becomes `audio`. Each split of the manifest gets a set of shards:
with --train_data_pattern='features/train-*.tfrecord' any frame model trains on them.

Beside the shards lie `vocabulary.csv` with the names of the classes, `features.json`, which
describes the features, and what was done to the vectors before they became bytes (`mean.npy` and so
on). To make features of other videos for the same model, give the same flags and
`--pca_dir=features`.

Started again, the job makes the shards that are missing or whose videos changed. It is an Apache
Beam pipeline. By default it runs in processes of this machine, and with --beam_options on a
cluster, whose machines must have this project installed and see the same folders:

    --beam_options='--runner=FlinkRunner --flink_master=host:8081'
"""

from __future__ import annotations

import os
import shlex

from absl import flags, logging

from frame_models.pixels.layers import image_file
from yt8m.base import archives, define, files, jobs
from yt8m.base.errors import UserError, first_line
from yt8m.extraction.feature_settings import IMAGENET, NO_WEIGHTS, FeatureSettings, image_size
from yt8m.inputs import flags as input_flags

_SHOWN = 20
_OF_IMAGES = (
    "backbone",
    "weights",
    "pixel_range",
    "seed",
    "image_size",
    "frames_per_second",
    "vggish_weights",
)


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("input_manifest", "The videos: a .csv of path,label,group[,split][,start,end].")
    define.path("output_dir", "Folder for the shards and what belongs to them.")
    define.string(
        "backbone",
        "Network of images: one of keras.applications, such as MobileNetV2; of this project, such "
        "as inception_v1; or a .keras file of one, which answers a map or a vector.",
        "inceptionv3",
    )
    define.path(
        "weights",
        "Its weights: imagenet, which Keras downloads; a file of weights without a "
        "classifier; classify_image_graph_def.pb, the network of YouTube-8M's own features; or "
        "none, which makes them random. A .keras file has its own.",
        IMAGENET,
    )
    define.strings(
        "pixel_range",
        "The least and greatest pixel that a .keras file takes, such as 0,255; by default -1,1.",
        [],
    )
    define.path(
        "train_dir",
        "A run of raw video, in place of --backbone: it makes windows of frames vectors.",
        "",
    )
    define.string(
        "layer",
        "Layer of that run: embedding, the vector before its classifier, or the name of a layer, "
        "such as dense for fc6 of C3D. Axes of time and place are averaged.",
        "embedding",
    )
    define.integer(
        "window_stride",
        "Frames from the start of a window to that of the next, with --train_dir; by default as "
        "many as a clip spans.",
        at_least=1,
    )
    define.integer("seed", "Seed of random weights.", 0, at_least=0)
    define.integer(
        "image_size",
        "Height and width that frames are resized to; by default what the network was made for.",
        at_least=1,
    )
    define.number("frames_per_second", "Frames taken from a second of video.", 1.0, at_least=1e-6)
    define.integer("max_frames", "Frames after these are left out.", 360, at_least=1)
    define.integer("batch_size", "Frames the network sees at a time.", 32, at_least=1)
    _define_value_flags()
    define.integer(
        "num_shards",
        "Shards of each split; by default one for ten videos, 1000 at most.",
        at_least=1,
    )
    define.integer(
        "num_workers",
        "Processes of this machine; by default one for two cores, at most 4.",
        at_least=1,
    )
    define.string(
        "beam_options",
        "Options of Apache Beam, such as --runner=FlinkRunner --flink_master=host:8081.",
        "",
    )


def _define_value_flags() -> None:
    define.path(
        "pca_dir",
        "Folder of mean.npy, eigenvals.npy and eigenvecs.npy: those that YouTube-8M "
        "published, or the --output_dir of an earlier extraction, whose classes then count too. By "
        "default each value is scaled to mean 0 and variance 1, as measured on the videos.",
        "",
    )
    define.integer(
        "pca_components",
        "Values of a vector to keep: with --pca_dir the first of its components (by default 1024), "
        "without it the principal components of the videos' frames.",
        at_least=1,
    )
    define.integer("pca_videos", "Videos to measure, without --pca_dir.", 1000, at_least=1)
    define.path(
        "vggish_weights",
        "VGGish's weights, vggish_model.ckpt or of Keras. Adds `audio`; videos "
        "without sound are left out.",
        "",
    )
    define.path("vggish_pca", "vggish_pca_params.npz, applied to `audio`.", "")


def main() -> None:
    """Extracts as the flags say."""
    args = flags.FLAGS
    files.check_output_file(os.path.join(args.output_dir, "features.json"))
    beam_options = parse_beam_options(args.beam_options)
    of_file = image_file.is_file(args.backbone)
    check_flags(args.pca_dir, args.weights, args.vggish_weights, of_file, args.train_dir)
    jobs.import_extra("yt8m.data.video.frames.decoding", "video")
    run = jobs.import_extra("yt8m.extraction.extract", "beam")
    settings = FeatureSettings(
        backbone=args.backbone,
        image_size=args.image_size or _image_size(args.backbone, of_file),
        weights=NO_WEIGHTS if of_file or args.train_dir else args.weights,
        seed=args.seed,
        frames_per_second=args.frames_per_second,
        max_frames=args.max_frames,
        vggish_weights=args.vggish_weights,
        vggish_pca=args.vggish_pca,
        batch_size=args.batch_size,
        pixel_range=input_flags.numbers("pixel_range"),
        train_dir=args.train_dir,
        layer=args.layer,
        window_stride=args.window_stride or 0,
    )
    request = run.Request(
        input_manifest=args.input_manifest,
        output_dir=os.path.abspath(args.output_dir),
        settings=settings.with_absolute_paths(),
        pca_dir=args.pca_dir,
        pca_components=args.pca_components,
        pca_videos=args.pca_videos,
        num_shards=args.num_shards,
        num_workers=args.num_workers,
        beam_options=beam_options,
    )
    report(run.extract(request), args.output_dir)


def _image_size(backbone: str, of_file: bool) -> int:
    """The height and width of the frames that a network takes.

    Raises:
        UserError: a file holds no network of images.
    """
    if not of_file:
        return image_size(backbone)
    try:
        if os.path.isfile(backbone):
            archives.check_if_zipped(backbone)
        height, width = image_file.load(backbone).input.shape[1:3]
    except (ValueError, OSError) as error:
        raise UserError(f"--backbone cannot be used: {first_line(error)}") from None
    if height != width:
        raise UserError(
            f"The network {backbone} takes frames of {height} x {width} pixels, but frames are "
            "resized to squares. Name another --backbone."
        )
    return height or image_size("")


def check_flags(
    pca_dir: str, weights: str, vggish_weights: str, of_file: bool = False, train_dir: str = ""
) -> None:
    """Fails where a flag is given that has no meaning with the others.

    Args:
        pca_dir: the flag of this name; empty where it is left out.
        weights: as well.
        vggish_weights: as well.
        of_file: whether the backbone is a file.
        train_dir: a run in place of the backbone; empty for none.

    Raises:
        UserError: one is given.
    """
    if pca_dir:
        input_flags.refuse(("pca_videos",), "with --pca_dir")
    if train_dir:
        input_flags.refuse(_OF_IMAGES, "with --train_dir, whose clips say what is looked at")
    else:
        input_flags.refuse(("layer", "window_stride"), "without --train_dir")
    if of_file:
        input_flags.refuse(("weights", "seed"), "for a backbone in a file, which has its weights")
    else:
        input_flags.refuse(("pixel_range",), "for a backbone that is no .keras file")
    if weights != NO_WEIGHTS:
        input_flags.refuse(("seed",), f"with --weights={weights}")
    if not vggish_weights:
        input_flags.refuse(("vggish_pca",), "without --vggish_weights")


def parse_beam_options(text: str) -> tuple[str, ...]:
    """Splits Beam's options as a shell does.

    Raises:
        UserError: they cannot be split, or contradict --num_workers.
    """
    try:
        options = tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(
            f"--beam_options cannot be split into options: {error}. Received: {text!r}."
        ) from None
    if any(option.partition("=")[0] == "--runner" for option in options):
        input_flags.refuse(("num_workers",), "with a --runner in --beam_options")
    return options


def report(summary, output_dir: str) -> None:
    """Says what is in the folder, and what is not.

    Args:
        summary: see `yt8m.extraction.summary.Summary`.
        output_dir: the folder.

    Raises:
        UserError: no video could be used.
    """
    problems = list(summary.problems.items())
    for name, reason in problems[:_SHOWN]:
        logging.warning("%s is left out: %s.", name, reason.rstrip("."))
    if len(problems) > _SHOWN:
        logging.warning("%d more are left out: see %s/log.", len(problems) - _SHOWN, output_dir)
    for note in summary.notes:
        logging.warning(note)
    if not summary.num_videos:
        raise UserError(
            f"None of the {len(problems)} videos can be used; the reasons are above. The first is "
            f"{problems[0][0]}: {problems[0][1].rstrip('.')}."
        )
    left_out = f", {len(problems)} left out" if problems else ""
    print(
        f"{summary.num_videos} videos{left_out}, {summary.num_frames} frames, "
        f"{summary.num_shards} shards: {output_dir} (train with "
        f"--num_classes={summary.num_classes})"
    )


if __name__ == "__main__":
    jobs.run(define_flags, main)
