"""The videos that a pattern names: what they are called, and how they are read."""

from __future__ import annotations

import dataclasses
import os

from absl import logging

from yt8m.base.errors import UserError
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips
from yt8m.data.video.clips import About, FileFrames, Frames, Item
from yt8m.data.video.sources import file_index, manifest, pattern
from yt8m.data.video.sources.file_index import Entry
from yt8m.data.video.spans import Span, seconds_text
from yt8m.data.video.video_log import VideoLog


@dataclasses.dataclass(frozen=True)
class Listed:
    """A video as a pattern lists it.

    Attributes:
        id: what it is called in a submission.
        where: the file, or what else to call it in an error.
        labels: the names of its labels, `TASK/LABEL` where there are tasks.
        group: videos of one group are never apart.
        task: the name of its task; empty where there are none.
        frames, about: how it is read, where that is known without looking at a file.
        span: the part of the file that it is; None for the whole.
    """

    id: str
    where: str
    labels: tuple[str, ...]
    group: str = ""
    task: str = ""
    frames: Frames | None = None
    about: About | None = None
    span: Span | None = None

    @property
    def source(self) -> tuple[str, int]:
        """Where its frames are, whatever it is called; the same of all parts of a file."""
        if self.frames is None:
            return os.path.realpath(self.where), 0
        return self.frames.path, int(self.frames.offsets[0])


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a pattern names.

    Attributes:
        videos: in order.
        classes: the names of all labels, also of the splits that were not asked for, sorted.
        tasks: the names of the tasks, sorted; () without tasks.
        folder: where a cache may be, beside the first manifest; empty where there is none.
    """

    videos: list[Listed]
    classes: tuple[str, ...]
    tasks: tuple[str, ...]
    folder: str = ""

    def check_apart(self, other: Listing) -> None:
        """Fails where a video or a group of these is also among others, which are to judge by.

        Raises:
            UserError: names such a video or group.
        """
        mine = {video.source for video in self.videos}
        for video in other.videos:
            if video.source in mine:
                raise UserError(
                    f"{video.where} is in the training data and in the data to evaluate on. Leave "
                    "it out of one of them."
                )
        groups = {(video.task, video.group): video for video in self.videos if video.group}
        for video in other.videos:
            mine = groups.get((video.task, video.group))
            if mine is not None:
                raise UserError(
                    f"The group {video.group!r} is in the training data ({mine.where}) and in the "
                    f"data to evaluate on ({video.where}): videos of one source would be on both "
                    "sides. Split by groups, for example with `yt8m make_manifest`."
                )


def read(parts: list[pattern.Part], log: VideoLog, num_workers: int = 0) -> Listing:
    """Lists the videos of a pattern. Manifests are read, videos are not.

    Args:
        parts: see `pattern.parse`.
        log: told of damaged shards of a data set of tensorflow-datasets.
        num_workers: processes that look into such shards; 0 looks in this one.

    Raises:
        UserError: a manifest or a data set cannot be read, or has no such split.
    """
    videos: list[Listed] = []
    names: set[str] = set()
    for part in parts:
        if part.dataset is None:
            found, labels = _read_manifest(part)
        else:
            found, labels = _read_dataset(part, log, num_workers)
        prefix = f"{part.task}/" if part.task else ""
        names |= {prefix + label for label in labels}
        videos += [
            dataclasses.replace(
                video, labels=tuple(prefix + label for label in video.labels), task=part.task
            )
            for video in found
        ]
    manifests = [part.where for part in parts if part.dataset is None]
    folder = f"{os.path.expanduser(manifests[0])}.cache" if manifests else ""
    tasks = tuple(sorted({part.task for part in parts if part.task}))
    _check_once(videos)
    return Listing(videos, tuple(sorted(names)), tasks, folder)


def _check_once(videos: list[Listed]) -> None:
    """Fails where a video is named twice, or two videos have one id in a submission.

    The parts of a file are videos, but not beside the whole file.
    """
    sources: set[tuple] = set()
    whole: dict[tuple, bool] = {}
    ids: dict[tuple, str] = {}
    for video in videos:
        place, name = (video.task, video.source), (video.task, video.id)
        source = (*place, video.span and video.span.key)
        if whole.setdefault(place, video.span is None) != (video.span is None):
            raise UserError(
                f"{video.where} is named as a whole and in parts. Name it in one of these ways."
            )
        if source in sources:
            raise UserError(f"{video.where} is named twice. Name each video once.")
        if name in ids:
            raise UserError(
                f"{ids[name]} and {video.where} are both called {video.id} in their manifests, so "
                "their predictions could not be told apart. Name them by other paths."
            )
        sources.add(source)
        ids[name] = video.where


def check(listing: Listing, schema: ClipSchema) -> None:
    """Fails where labels or tasks are none of the schema's. Looks at no video.

    Raises:
        UserError: as above.
    """
    for video in listing.videos:
        _task_number(video, schema)
        schema.class_ids(video.labels, video.where)


def _read_manifest(part: pattern.Part) -> tuple[list[Listed], set[str]]:
    everything = manifest.read(os.path.expanduser(part.where))
    splits = sorted({video.split for video in everything} - {""})
    chosen = manifest.with_all_labels(
        manifest.select(everything, part.split) if part.split else everything
    )
    if not part.split and len({video.split for video in everything}) > 1:
        raise UserError(
            f"{part.where} has the splits {', '.join(splits)}. Name one behind #, as in "
            f"{part.where}#{splits[0]}."
        )
    listed = [Listed(v.id, v.path, v.labels, v.group, span=v.span) for v in chosen]
    return listed, set(manifest.names(everything))


def _read_dataset(
    part: pattern.Part, log: VideoLog, num_workers: int
) -> tuple[list[Listed], set[str]]:
    from yt8m.data.video.sources import tfds  # Slow to import, and seldom needed.

    found = tfds.open_dataset(part.dataset, part.split, log.leave_out, num_workers)
    listed = [
        Listed(video.id, video.id, video.labels, video.group, "", video.frames, video.about)
        for video in found.videos
    ]
    return listed, set(found.classes)


def items(
    listing: Listing,
    schema: ClipSchema,
    cache_dir: str,
    num_workers: int,
    log: VideoLog,
    with_labels: bool = True,
) -> list[Item]:
    """Looks at every video, and leaves out those that cannot be read.

    Args:
        listing: the videos.
        schema: what a clip is; its classes are those of the labels.
        cache_dir: where to keep what was seen; empty keeps nothing.
        num_workers: processes that look; 0 looks in this one.
        log: told of the videos that are left out.
        with_labels: whether to look at labels, which may be of other classes otherwise.

    Returns:
        The videos that can be read, in order.

    Raises:
        UserError: a label is none of the classes, a task is none of the schema's, or no video can
            be read.
    """
    sampling, rate = schema.clips.sampling, schema.clips.frames_per_second
    files = [video.where for video in listing.videos if video.frames is None]
    if sampling in ("keyframes", "shots") and len(files) < len(listing.videos):
        raise UserError(
            "A data set of tensorflow-datasets has neither I-frames nor known shots. Choose "
            f"another sampling in --clips. Received: sampling={sampling!r}."
        )
    if rate and len(files) < len(listing.videos):
        raise UserError(
            "A data set of tensorflow-datasets does not say when its frames are shown. Leave "
            f"frames_per_second out of --clips. Received: frames_per_second={rate:g}."
        )
    tasks = [_task_number(video, schema) for video in listing.videos]
    ids: list[list[int]] = [[]] * len(listing.videos)
    if with_labels:
        ids = [schema.class_ids(video.labels, video.where) for video in listing.videos]
    parts = _parts_of_files(listing.videos)
    entries = file_index.build(
        files, cache_dir, sampling == "shots", num_workers, log.leave_out, parts
    )
    found = []
    for video, class_ids, task in zip(listing.videos, ids, tasks, strict=True):
        frames, about = video.frames, video.about
        if frames is None:
            frames, about = _look_up(video, entries, schema.clips, log)
        if frames is not None and about is not None:
            found.append(Item(video.id, tuple(class_ids), frames, about, task))
    if not found:
        raise UserError(
            f"None of the {len(listing.videos)} videos can be read; the reasons are above. The "
            f"first is {listing.videos[0].where}."
        )
    if log.lost:
        logging.warning("%d of %d videos are used.", len(found), len(listing.videos))
    return found


def _parts_of_files(videos: list[Listed]) -> dict[str, list[Span]]:
    parts: dict[str, list[Span]] = {}
    for video in videos:
        if video.span is not None:
            parts.setdefault(video.where, []).append(video.span)
    return parts


def _look_up(
    video: Listed, entries: dict[str, Entry], clips: Clips, log: VideoLog
) -> tuple[FileFrames | None, About | None]:
    """How a file, or a part of one, is read; None and None where it cannot be."""
    entry = entries.get(video.where)
    if entry is None:
        return None, None
    probe, rate = entry.probe, clips.frames_per_second
    anchors = {"keyframes": probe.keyframes, "shots": entry.shots}.get(clips.sampling, (0,))
    about = About(probe.count(rate), probe.height, probe.width, anchors)
    if video.span is None:
        return FileFrames(video.where, None, rate), about
    first, stop = probe.at(rate).frames(video.span) if rate else entry.parts[video.span]
    if first == stop:
        log.leave_out(
            video.where + video.span.fragment,
            f"its file has ended before second {seconds_text(video.span.first)}: it has "
            f"{probe.num_frames} frames at {probe.rate:.4g} a second",
        )
        return None, None
    keep_first = clips.sampling != "keyframes"
    return FileFrames(video.where, (first, stop), rate), about.of_part(first, stop, keep_first)


def _task_number(video: Listed, schema: ClipSchema) -> int:
    if not schema.tasks:
        if video.task:
            raise UserError(
                f"This run has no tasks. Leave out {video.task}= before the manifest or data set "
                f"of {video.where}."
            )
        return 0
    if video.task not in schema.tasks:
        raise UserError(
            f"{video.where} is of no task of this run, which has {', '.join(schema.tasks)}. Write "
            "TASK= before the manifest, as in ucf101=clips.csv#test."
        )
    return schema.tasks.index(video.task)
