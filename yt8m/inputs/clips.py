"""Raw video for the jobs: what a pattern names, opened for a model. Needs the extra `video`."""

from __future__ import annotations

import dataclasses

from absl import logging

from yt8m.base.errors import UserError
from yt8m.data.video import workers
from yt8m.data.video.clip_reader import ClipReader
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clips import FileFrames, Item
from yt8m.data.video.frames import flow_cache
from yt8m.data.video.sources import listing
from yt8m.data.video.sources import pattern as pattern_lib
from yt8m.data.video.sources.listing import Listing
from yt8m.data.video.video_log import VideoLog
from yt8m.inputs.clip_settings import ClipSettings
from yt8m.runs import RunConfig


@dataclasses.dataclass(frozen=True)
class ClipInput:
    """How raw video is read for a model.

    Attributes:
        schema: what a clip is.
        batch_size: clips a batch.
        settings: how videos are decoded, and in which views.
    """

    schema: ClipSchema
    batch_size: int
    settings: ClipSettings = ClipSettings()

    @classmethod
    def for_run(cls, config: RunConfig, batch_size: int, settings: ClipSettings) -> ClipInput:
        """How raw video is read for the model of a run of raw video."""
        return cls(config.schema, batch_size, settings)

    def open(
        self, pattern: str, with_labels: bool = True, num_videos: int | None = None
    ) -> ClipReader:
        """A reader of the videos that a pattern names.

        Args:
            pattern: manifests or data sets.
            with_labels: see `listing.items`.
            num_videos: takes the first so many; by default all.

        Raises:
            UserError: the pattern names shards, or as `listing.items`.
        """
        parts = pattern_lib.parse(pattern)
        if parts is None:
            raise UserError(
                f"The run takes raw video: {self.schema}. Name a manifest, such as clips.csv#test, "
                f"or a data set, such as tfds:ucf101/ucf101_1#test. Received: {pattern}."
            )
        log = VideoLog(self.settings.on_corrupt)
        listed = listing.read(parts, log, self.num_workers)
        listed = dataclasses.replace(listed, videos=listed.videos[:num_videos])
        return self.reader(listed, log, with_labels)

    def reader(self, listed: Listing, log: VideoLog, with_labels: bool = True) -> ClipReader:
        """A reader of listed videos.

        Args:
            listed: the videos.
            log: counts what is read and lost.
            with_labels: see `listing.items`.

        Raises:
            UserError: as `listing.items`.
        """
        cache_dir = self.settings.cache_dir or listed.folder
        items = listing.items(listed, self.schema, cache_dir, self.num_workers, log, with_labels)
        if self.schema.flow is not None:
            items = _with_flow(items, self.schema, cache_dir, self.num_workers, log)
        logging.info("%d videos, %s.", len(items), self.schema)
        return ClipReader(
            items,
            self.schema,
            self.batch_size,
            self.settings.num_clips,
            self.settings.num_crops,
            cache_dir,
            self.num_workers,
            log=log,
        )

    @property
    def num_workers(self) -> int:
        """Processes that decode."""
        return number_of_workers(self.settings)


def number_of_workers(settings: ClipSettings) -> int:
    """Processes that decode, as settings say."""
    given = settings.num_workers
    return workers.default_number() if given is None else given


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

    rate = schema.clips.frames_per_second
    flow_cache.precompute(files, cache_dir, schema.flow, leave_out, num_workers, rate)
    left = [item for item in items if getattr(item.frames, "path", None) not in bad]
    if not left:
        raise UserError("The optical flow of no video can be computed; the reasons are above.")
    return left
