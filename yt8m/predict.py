r"""Says what is in videos: the best classes of each, by name.

    yt8m predict --train_dir=runs/i3d holiday.mp4 more_videos/

Videos need no manifest and no labels. A run of raw video looks at clips of them. For a run that
takes features these are first made, in the way in which those of its shards were: a run that was
trained beside the shards of `yt8m extract_features` knows it, another is told by --features_dir.

With --timeline the videos are cut into windows that overlap, and each is judged by itself. For each
video that folder gets NAME.csv, subtitles NAME.srt, a chart NAME.png and, where
--timeline_formats asks for it, NAME.mp4, a copy with the classes written over it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from absl import flags

from yt8m import runs
from yt8m.base import define, files, jobs
from yt8m.inputs import flags as input_flags
from yt8m.prediction import tables, video_paths
from yt8m.prediction.answers import Naming, Windows

# Seconds of a window for a run of features: a segment of YouTube-8M.
_FEATURE_WINDOW = 5.0
_USUAL_RATE = 25.0
_LEAST_WINDOW = 1.0
_OF_CLIPS = ("num_clips", "num_crops")
_MOVED = ("weights", "vggish_weights", "vggish_pca")
_OF_FEATURES = ("features_dir", *_MOVED)
_OF_TIMELINES = ("timeline_formats", "window_seconds", "hop_seconds", "min_score")


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("train_dir", "Folder of the run.")
    define.integer("top_k", "Classes to tell of each video.", 5, at_least=1)
    define.path("output_file", "Also write them here: a .csv or a .json.", "", any_bytes=True)
    define.integer("batch_size", "Clips or windows a batch.", 16, at_least=1)
    define.integer(
        "num_clips",
        "Clips of a video that are looked at, evenly spread; by default as many as cover it, up to "
        "10. For a run of raw video, without --timeline.",
        at_least=1,
    )
    define.integer(
        "num_crops",
        "Crops of a clip that are looked at: 1, 3, 5, or 10 with mirror images.",
        1,
        at_least=1,
    )
    define.path("timeline", "Folder for the classes over time.", "", any_bytes=True)
    define.strings(
        "timeline_formats",
        "What to write there for each video, of csv, srt, png, mp4.",
        ["csv", "srt", "png"],
    )
    define.number(
        "window_seconds",
        "Length of a window; by default what a clip spans at 25 frames a second, but at least "
        f"{_LEAST_WINDOW:g}; for a run of features {_FEATURE_WINDOW:g}.",
        at_least=1e-3,
    )
    define.number(
        "hop_seconds",
        "From the start of a window to that of the next; by default half a window.",
        at_least=1e-3,
    )
    define.number(
        "min_score", "Classes below this are not in subtitles.", 0.1, at_least=0, at_most=1
    )
    _define_feature_flags()


def _define_feature_flags() -> None:
    define.path(
        "features_dir",
        "The --output_dir of an extraction of features like those that the run was trained on; by "
        "default the run knows.",
        "",
    )
    where = "Where {} is now, if not where it was when the features were made."
    define.path("weights", where.format("the file of the network's weights"), "")
    define.path("vggish_weights", where.format("vggish_model.ckpt"), "")
    define.path("vggish_pca", where.format("vggish_pca_params.npz"), "")


def main(given: Sequence[str]) -> None:
    """Predicts as the flags say."""
    args = flags.FLAGS
    config = runs.read_config(args.train_dir)
    _refuse_what_means_nothing(config.takes_clips, bool(args.timeline))
    paths = video_paths.find(given)
    naming = Naming(runs.read_names(args.train_dir, config), args.top_k)
    if args.output_file:
        tables.check_ending(args.output_file)
        files.check_output_file(args.output_file)
    predict_videos = jobs.import_extra("yt8m.prediction.predict_videos", "video")
    timeline, windows = None, None
    if args.timeline:
        windows = _windows(config, args.window_seconds, args.hop_seconds)
        kind = jobs.import_extra("yt8m.prediction.timeline", "video").Timeline
        timeline = kind(args.timeline, args.timeline_formats, naming, args.min_score, paths)
    if config.takes_clips:
        views = {name: args[name].value for name in _OF_CLIPS}
        predictor = predict_videos.of_clips(args.train_dir, args.batch_size, windows, **views)
    else:
        moved = {name: args[name].value for name in _MOVED if args[name].present}
        predictor = predict_videos.of_features(
            args.train_dir, args.batch_size, windows, args.features_dir, **moved
        )
    videos = []
    for answer in predict_videos.answers(predictor, paths):
        print(tables.show(answer, naming), flush=True)
        if timeline is not None:
            timeline.write(answer)
        videos.append(tables.describe(answer, naming))
    if timeline is not None:
        print(f"Wrote the timelines of {len(videos)} videos: {args.timeline}")
    if args.output_file:
        made_by = {"train_dir": os.path.abspath(args.train_dir), "model": config.model}
        tables.write(args.output_file, videos, made_by)
        print(f"Wrote the classes of {len(videos)} videos: {args.output_file}")


def _refuse_what_means_nothing(takes_clips: bool, with_timeline: bool) -> None:
    """Fails where a flag is given that would do nothing."""
    if takes_clips:
        input_flags.refuse(_OF_FEATURES, "for a run of raw video")
    else:
        input_flags.refuse(_OF_CLIPS, "for a run that takes features; it is for raw video")
    if with_timeline:
        input_flags.refuse(["num_clips"], "with --timeline, where each window has a clip")
    else:
        input_flags.refuse(_OF_TIMELINES, "without --timeline")


def _windows(config: runs.RunConfig, seconds: float | None, hop: float | None) -> Windows:
    """How videos are cut into windows; what is not given depends on the run."""
    if seconds is None:
        seconds = _FEATURE_WINDOW
        if config.takes_clips:
            clips = config.schema.clips
            seconds = max(_LEAST_WINDOW, clips.frames * clips.stride / _USUAL_RATE)
    return Windows(seconds, seconds / 2 if hop is None else hop)


if __name__ == "__main__":
    jobs.run(define_flags, main, arguments="VIDEO...")
