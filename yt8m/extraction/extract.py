"""The videos of a manifest to a folder of shards. Needs the extras `video` and `beam`."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any

import tensorflow as tf
from absl import logging

from frame_models.pixels.layers import image_file
from yt8m.base import files, provenance
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.video import workers
from yt8m.data.video.frames import decoding
from yt8m.data.video.frames.containers import VideoError
from yt8m.data.video.sources import manifest
from yt8m.data.video.sources.manifest import Video
from yt8m.extraction import beam_execution, beam_pipeline, networks, shards, vggish, whitening
from yt8m.extraction import folder as folder_lib
from yt8m.extraction.beam_execution import Part
from yt8m.extraction.feature_settings import IMAGENET, NO_WEIGHTS, FeatureSettings
from yt8m.extraction.shards import Item, Shard
from yt8m.extraction.summary import Summary, summarise
from yt8m.extraction.whitening import Moments, Whitening

_MOST_WORKERS = 4
_VIDEOS_MEASURED_TOGETHER = 16
_TRAIN = "train"


@dataclasses.dataclass(frozen=True)
class Request:
    """What is to be extracted, where to, and how it is run.

    Attributes:
        input_manifest: the videos.
        output_dir: the folder of the shards.
        settings: how features are made.
        pca_dir: the folder of a whitening; empty fits one.
        pca_components: values that are kept of a vector; None keeps all, of `pca_dir` up to 1024.
        pca_videos: how many videos a whitening is fitted to, of the split `train` if there is one.
        num_shards: of each split; None is as many as before, or `shards.default_number`.
        num_workers: processes of this machine; None for one for two cores, four at most.
        beam_options: Beam's own, as on its command line.
    """

    input_manifest: str
    output_dir: str
    settings: FeatureSettings
    pca_dir: str = ""
    pca_components: int | None = None
    pca_videos: int = 1000
    num_shards: int | None = None
    num_workers: int | None = None
    beam_options: tuple[str, ...] = ()


def extract(request: Request) -> Summary:
    """Makes the shards that are not there yet.

    Raises:
        UserError: the manifest, a file of the networks, the folder or an option of Beam cannot be
            used.
    """
    beam_pipeline.check_options(request.beam_options)
    with _Workers.of(request) as where:
        videos = manifest.with_all_labels(manifest.read(request.input_manifest))
        return _extract(request, where, videos)


def _extract(request: Request, where: _Workers, videos: list[Video]) -> Summary:
    loaded = networks.load(request.settings)
    features = networks.describe(request.settings, loaded)
    given, known = None, None
    if request.pca_dir:
        known = folder_lib.check_same_networks(request.pca_dir, features)
        given = whitening.load(request.pca_dir, loaded.frame_size, request.pca_components)
    classes = known["classes"] if known else list(manifest.names(videos))
    splits = folder_lib.items_by_split(videos, classes)
    features |= _describe_values(request, given, loaded.frame_size)
    with files.locked(request.output_dir, "extraction", "output_dir"):
        numbers = _numbers(request, splits)
        description = _describe(request, features, classes, numbers)
        if given is None:
            description["measured"] = networks.digest(
                os.fsencode(_name(item)) for item in _to_measure(request, splits)
            )
        folder_lib.start(request.output_dir, description)
        shards.remove_leftovers(request.output_dir)
        planned = shards.plan(splits, numbers)
        todo = folder_lib.shards_to_make(request.output_dir, planned)
        if todo:
            _whiten(request, given, splits, where)
            _make(request, todo, features["sizes"]["rgb"], where)
        logging.info("%d of %d shards were there.", len(planned) - len(todo), len(planned))
        return summarise(request.output_dir, planned, len(classes))


@dataclasses.dataclass(frozen=True)
class _Workers:
    """Where the work is done.

    Attributes:
        pool: processes of this machine; None where Beam's runner decides, or this one does it.
        num_threads: of each of them; 0 leaves that to TensorFlow.
        beam_options: Beam's own.
    """

    pool: Executor | None
    num_threads: int
    beam_options: tuple[str, ...]

    @classmethod
    @contextlib.contextmanager
    def of(cls, request: Request) -> Iterator[_Workers]:
        """The processes that a request asks for."""
        cores = workers.default_number()
        # On two cores one process is as fast as two: TensorFlow uses both, and starts once.
        number = request.num_workers or min(max(1, cores // 2), _MOST_WORKERS)
        is_local = beam_pipeline.is_local(beam_pipeline.parse_options(request.beam_options))
        if number == 1 or not is_local:
            yield cls(None, 0, request.beam_options)
            return
        tf.config.set_visible_devices([], "GPU")  # Its memory is for the workers.
        with beam_execution.processes(number) as pool:
            yield cls(pool, max(1, cores // number), request.beam_options)

    def run(self, task: str, parts: list[Part], total: int, count: Callable[[], int]) -> None:
        """Does the work, and shows how many videos are done."""
        with ProgressReport(task, total, "videos") as progress:

            def show() -> None:
                done = count() - progress.done
                if done > 0:
                    progress.advance(done)

            if self.pool is not None:
                beam_execution.run_in_processes(self.pool, parts, self.beam_options, show)
                return
            for part in parts:
                beam_execution.run_here(part, self.beam_options, show)

    def split(self, elements: list[str], size: int) -> list[list[str]]:
        """Parts of a size where processes take them one by one; else one part."""
        size = max(1, len(elements)) if self.pool is None else size
        return [elements[i : i + size] for i in range(0, len(elements), size)]


def _describe_values(request: Request, given: Whitening | None, frame_size: int) -> dict[str, Any]:
    components = request.pca_components
    if given is None and (components or 0) > frame_size:
        raise UserError(
            f"The network answers {frame_size} values. Received: --pca_components={components}."
        )
    sizes = {"rgb": given.num_kept if given else components or frame_size}
    if request.settings.vggish_weights:
        sizes["audio"] = vggish.SIZE
    done: dict[str, Any] = {"from": "fitted", "components": components or 0}
    done |= {"videos": request.pca_videos}
    if given is not None:
        done = {"from": "given", "sha256": given.digest()}
    return {"whitening": done, "sizes": sizes}


def _numbers(request: Request, splits: dict[str, list[Item]]) -> dict[str, int]:
    """How many shards each split has: the number asked for, that of before, or the default."""
    before = folder_lib.read(request.output_dir)
    is_begun = before is not None and shards.finished(request.output_dir)
    known = before["num_shards"] if is_begun else {}
    return {
        split: request.num_shards or known.get(split) or shards.default_number(len(items))
        for split, items in splits.items()
    }


def _describe(
    request: Request, features: dict[str, Any], classes: list[str], numbers: dict[str, int]
) -> dict[str, Any]:
    weights = os.path.basename(request.settings.weights)
    if request.settings.train_dir:
        weights = os.path.basename(request.settings.train_dir)
    elif image_file.is_file(request.settings.backbone):
        weights = os.path.basename(request.settings.backbone)
    elif weights == NO_WEIGHTS:
        weights = f"random, seed {request.settings.seed}"
    elif weights == IMAGENET:
        weights = "imagenet, as Keras has them"
    return {
        "features": features,
        "classes": classes,
        "num_shards": numbers,
        "weights_from": weights,
        "settings": dataclasses.asdict(request.settings),
        "versions": provenance.package_versions(),
        "git_commit": provenance.git_commit(),
    }


def _whiten(
    request: Request, given: Whitening | None, splits: dict[str, list[Item]], where: _Workers
) -> None:
    """Puts the files of the whitening beside the shards, if they are not there."""
    folder, components = request.output_dir, request.pca_components or 0
    if not whitening.missing(folder):
        return
    if given is not None:
        given.save(folder)
        return
    if shards.finished(folder):
        raise UserError(
            f"{folder} has no {' or no '.join(whitening.missing(folder))}, but shards that were "
            "made with it. Put it back, or choose another --output_dir."
        )
    videos = [beam_pipeline.video_text(item) for item in _to_measure(request, splits)]
    parts = []
    for number, part in enumerate(where.split(videos, _VIDEOS_MEASURED_TOGETHER)):
        output = shards.moments_path(folder, number)
        measure = beam_pipeline.MeasureVideos(
            request.settings, where.num_threads, folder, components > 0, output
        )
        parts.append((measure, part))
    where.run("Measuring", parts, len(videos), lambda: shards.count_measured(folder))
    moments = whitening.merge(map(Moments.load, shards.moments_paths(folder)))
    if moments is None:
        raise UserError(_nothing_to_measure(splits))
    whitening.fit(moments, components).save(folder)
    shards.remove_leftovers(folder)


def _to_measure(request: Request, splits: dict[str, list[Item]]) -> list[Item]:
    """The videos that the whitening is fitted to."""
    items = splits.get(_TRAIN) or [item for part in splits.values() for item in part]
    there = [item for item in shards.in_order(items) if item.num_bytes >= 0]
    return there[: request.pca_videos]


def _name(item: Item) -> str:
    """The path of a video, and the times where it is a part of one."""
    whole = item.start is None and item.end is None
    return item.path if whole else item.path + item.span.fragment


def _nothing_to_measure(splits: dict[str, list[Item]]) -> str:
    first = next(iter(splits.values()))[0]
    try:
        reason = "there is no such file" if first.num_bytes < 0 else "it holds no picture"
        if first.num_bytes >= 0:
            collections.deque(decoding.frames_at(first.path, 1.0, span=first.span), maxlen=0)
    except VideoError as error:
        reason = str(error).rstrip(".")
    return (
        f"None of the videos can be used. The first is {first.id}: {reason}. Correct the manifest, "
        "whose paths are relative to its folder."
    )


def _make(request: Request, todo: list[Shard], num_kept: int, where: _Workers) -> None:
    folder = request.output_dir
    for shard in todo:
        shards.write_todo(folder, shard)
    make = beam_pipeline.MakeShards(request.settings, where.num_threads, folder, num_kept)
    parts = [(make, part) for part in where.split([shard.name for shard in todo], 1)]
    total = sum(len(shard.items) for shard in todo)
    where.run("Extracting", parts, total, lambda: shards.count_videos(folder, todo))
