"""Raw video for the jobs: what a pattern names, opened as flags say. Needs the extra `video`."""

from __future__ import annotations

import dataclasses

from absl import flags, logging

from yt8m import runs
from yt8m.base.errors import UserError
from yt8m.data.video import workers
from yt8m.data.video.clip_reader import ClipReader
from yt8m.data.video.clips import FileFrames, Item
from yt8m.data.video.frames import flow_cache, views
from yt8m.data.video.schema import ClipSchema
from yt8m.data.video.sources import listing as video_listing
from yt8m.data.video.sources import pattern as pattern_lib
from yt8m.data.video.video_log import VideoLog


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the flags say of reading raw video.

    Attributes:
        num_clips, num_crops: views of each video in an evaluation.
        cache_dir: where to keep what was seen and optical flow; empty for beside the manifest.
        num_workers: processes that decode; 0 for none.
        on_corrupt: `skip` or `fail`.
    """

    num_clips: int
    num_crops: int
    cache_dir: str
    num_workers: int
    on_corrupt: str

    @classmethod
    def from_flags(cls) -> Settings:
        """Reads the flags of `input_flags.define_video_flags` and `define_data_flags`.

        Raises:
            UserError: --num_crops is none of those there are.
        """
        args = flags.FLAGS
        views.check_num_crops(args.num_crops)
        of_views = {"num_clips": args.num_clips, "num_crops": args.num_crops}
        return dataclasses.replace(cls.of_one_view(), **of_views)

    @classmethod
    def of_one_view(cls) -> Settings:
        """One view of each video: reads only `input_flags.define_decoding_flags` and data flags."""
        args = flags.FLAGS
        return cls(1, 1, args.cache_dir, number_of_workers(), args.on_corrupt_shard)


def number_of_workers() -> int:
    """Processes that decode, as --num_workers says; without it one a core."""
    given = flags.FLAGS.num_workers
    return workers.default_number() if given is None else given


def open_reader(
    listing: video_listing.Listing,
    schema: ClipSchema,
    batch_size: int,
    settings: Settings,
    log: VideoLog,
    with_labels: bool = True,
) -> ClipReader:
    """A reader of listed videos.

    Args:
        listing: the videos.
        schema: what a clip is.
        batch_size: clips a batch.
        settings: how to read.
        log: counts what is read and lost.
        with_labels: see `listing.items`.

    Raises:
        UserError: as `listing.items`.
    """
    cache_dir = settings.cache_dir or listing.folder
    found = video_listing.items(listing, schema, cache_dir, settings.num_workers, log, with_labels)
    if schema.flow is not None:
        found = _with_flow(found, schema, cache_dir, settings.num_workers, log)
    logging.info("%d videos, %s.", len(found), schema)
    return ClipReader(
        found,
        schema,
        batch_size,
        settings.num_clips,
        settings.num_crops,
        cache_dir,
        settings.num_workers,
        log=log,
    )


def _with_flow(
    items: list[Item], schema: ClipSchema, cache_dir: str, num_workers: int, log: VideoLog
) -> list[Item]:
    """Computes the flow of the files that have none yet, and leaves out those that cannot be."""
    files = {
        item.frames.path: schema.clips.frame_size(item.about.height, item.about.width)
        for item in items
        if isinstance(item.frames, FileFrames)
    }
    if not files:
        return items
    bad: set[str] = set()

    def leave_out(path: str, reason: str) -> None:
        bad.add(path)
        log.leave_out(path, reason)

    flow_cache.precompute(files, cache_dir, schema.flow, leave_out, num_workers)
    left = [item for item in items if getattr(item.frames, "path", None) not in bad]
    if not left:
        raise UserError("The optical flow of no video can be computed; the reasons are above.")
    return left


def run_reader(
    run: runs.Run,
    pattern: str,
    batch_size: int,
    with_labels: bool = True,
    settings: Settings | None = None,
    num_videos: int | None = None,
) -> ClipReader:
    """A reader of the videos that a pattern names, for the model of a run, as the flags say.

    Args:
        run: of raw video.
        pattern: manifests or data sets.
        batch_size: clips a batch.
        with_labels: see `listing.items`.
        settings: how to read; by default `Settings.from_flags`.
        num_videos: takes the first so many; by default all.

    Raises:
        UserError: the pattern names shards, or as `listing.items`.
    """
    parts = pattern_lib.parse(pattern)
    if parts is None:
        raise UserError(
            f"{run.train_dir} takes raw video: {run.config.schema}. Name a manifest, such as "
            "clips.csv#test, or a data set, such as tfds:ucf101/ucf101_1#test. "
            f"Received: {pattern}."
        )
    settings = settings or Settings.from_flags()
    log = VideoLog(settings.on_corrupt)
    listing = video_listing.read(parts, log, settings.num_workers)
    listing = dataclasses.replace(listing, videos=listing.videos[:num_videos])
    return open_reader(listing, run.config.schema, batch_size, settings, log, with_labels)
