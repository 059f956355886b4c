"""A video to the clips that a model sees. Runs in worker processes: no TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np

from yt8m.data.video import sampling
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.data.video.frames import decoding, flow_cache, views
from yt8m.data.video.frames import flow as flow_lib
from yt8m.data.video.frames.decoding import VideoError

FLOW = "flow"
_Clips = TypeVar("_Clips")


class Frames(Protocol):
    """Where the frames of a video are from."""

    def read(self, indices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """(n, *size, 3) uint8, the frames of these numbers, which may repeat."""

    def flow_source(
        self, indices: np.ndarray, flow: Flow, size: tuple[int, int], cache_dir: str
    ) -> flow_lib.Source:
        """The displacement fields of the video that frames of these numbers are shown with."""


@dataclasses.dataclass(frozen=True)
class FileFrames:
    """The frames of a video file, or those of a part of it, which is as a file of its own.

    Attributes:
        path: the file.
        part: the number of the first frame and that behind the last; None for the whole file.
        frames_per_second: the rate at which they are counted, see `Clips`.
    """

    path: str
    part: tuple[int, int] | None = None
    frames_per_second: float = 0.0

    def read(self, indices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Decodes the frames, see `decoding.read_frames`."""
        first = self.part[0] if self.part else 0
        numbers = (first + indices).tolist()
        return decoding.read_frames(self.path, numbers, size, self.frames_per_second)

    def flow_source(
        self, indices: np.ndarray, flow: Flow, size: tuple[int, int], cache_dir: str
    ) -> flow_lib.Source:
        """The fields of the whole video in the cache, where they are computed if need be."""
        source = flow_cache.cached(self.path, cache_dir, flow, size, self.frames_per_second)
        last = int(np.max(indices)) if self.part is None else self.part[1] - 1
        if last >= source.num_frames:
            raise VideoError(f"it ends before frame {last}: it has {source.num_frames}")
        return source if self.part is None else PartFlow(source, *self.part)


@dataclasses.dataclass(frozen=True)
class PartFlow:
    """The fields of some frames of a video: a `flow.Source` that begins and ends with them.

    Attributes:
        source: the fields of the whole video.
        first: the number of the first frame.
        stop: the number behind that of the last.
    """

    source: flow_lib.Source
    first: int
    stop: int

    @property
    def num_frames(self) -> int:
        """How many frames there are."""
        return self.stop - self.first

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the fields."""
        return self.source.size

    def forward(self, pair: int) -> np.ndarray:
        """See `flow.Source.forward`."""
        return self.source.forward(self.first + pair)

    def backward(self, pair: int) -> np.ndarray:
        """See `flow.Source.backward`."""
        return self.source.backward(self.first + pair)


@dataclasses.dataclass(frozen=True)
class About:
    """What is known of a video before its clips are made.

    Attributes:
        num_frames: how many frames it has.
        height, width: of its frames.
        anchors: see `sampling.training_frames`.
    """

    num_frames: int
    height: int
    width: int
    anchors: tuple[int, ...] = (0,)

    def of_part(self, first: int, stop: int, keep_first: bool) -> About:
        """What is known of some frames of the video.

        Args:
            first: the number of the first.
            stop: the number behind that of the last.
            keep_first: whether the first is an anchor in any case, as a part of a shot is one. It
                is where no other frame is.
        """
        inside = [anchor - first for anchor in self.anchors if first <= anchor < stop]
        if keep_first or not inside:
            inside = sorted({0, *inside})
        return About(stop - first, self.height, self.width, tuple(inside))


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How the clips of every video are made.

    Attributes:
        inputs: which of `pixels` and `flow` the model takes.
        clips: how clips are cut.
        flow: how flow is shown; None without flow.
        cache_dir: where flow is kept.
    """

    inputs: tuple[str, ...]
    clips: Clips
    flow: Flow | None = None
    cache_dir: str = ""


def made_or_error(function: Callable[..., _Clips], *task: Any) -> _Clips | VideoError:
    """What a function makes of a video, or why it cannot: as a value, which ends no other task.

    Args:
        function: such as `training_clip`.
        *task: its arguments.
    """
    try:
        return function(*task)
    except VideoError as error:
        return error


def training_clip(
    frames: Frames, about: About, recipe: Recipe, seed: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Makes one clip of a video, drawn anew for each seed.

    Args:
        frames: of the video.
        about: the video.
        recipe: how clips are made.
        seed: what fixes the draw.

    Returns:
        As `evaluation_clips`, with one view.

    Raises:
        VideoError: the file cannot be read.
    """
    random = np.random.default_rng(seed)
    chosen = sampling.training_frames(recipe.clips, about.num_frames, about.anchors, random)
    size = recipe.clips.frame_size(about.height, about.width)
    view = views.training_view(recipe.clips, size, random)
    return _make(frames, about, recipe, [chosen], [view])


def evaluation_clips(
    frames: Frames, about: About, recipe: Recipe, numbers: range, num_clips: int, num_crops: int
) -> dict[str, np.ndarray]:
    """Makes clips that are evenly spread over a video, each in several views.

    Args:
        frames: of the video.
        about: the video.
        recipe: how clips are made.
        numbers: which of the clips.
        num_clips: how many clips the whole video has.
        num_crops: views of each clip, see `views.evaluation_views`.

    Returns:
        `pixels` and `flow`, those that the recipe asks for: (views, frames, height, width,
        channels) uint8, the crops of a clip together; `num_frames`: (views,) int32, the frames
        that are no padding.

    Raises:
        VideoError: the file cannot be read.
    """
    clips = recipe.clips
    chosen = [
        sampling.evaluation_frames(clips, about.num_frames, about.anchors, number, num_clips)
        for number in numbers
    ]
    size = clips.frame_size(about.height, about.width)
    return _make(
        frames, about, recipe, chosen, views.evaluation_views(clips.crop_size, size, num_crops)
    )


def needed_frames(about: About, recipe: Recipe, number: int, num_clips: int) -> np.ndarray:
    """The numbers of the frames, ascending, that a clip of `evaluation_clips` is made of.

    Args:
        about: the video.
        recipe: how clips are made.
        number: which of the clips.
        num_clips: how many clips the whole video has.
    """
    indices, _ = sampling.evaluation_frames(
        recipe.clips, about.num_frames, about.anchors, number, num_clips
    )
    wanted = set(indices.tolist())
    if recipe.flow is not None:
        pairs = set().union(*flow_lib.needed(indices, about.num_frames, recipe.flow))
        wanted |= {frame for pair in pairs for frame in (pair, pair + 1)} or {0}
    return np.array(sorted(wanted))


def _make(
    frames: Frames,
    about: About,
    recipe: Recipe,
    chosen: list[tuple[np.ndarray, int]],
    shown: list[views.View],
) -> dict[str, np.ndarray]:
    size = recipe.clips.frame_size(about.height, about.width)
    wanted = np.unique(np.concatenate([indices for indices, _ in chosen]))
    made = {}
    for name in recipe.inputs:
        flow = recipe.flow if name == FLOW else None
        if flow is None:
            values = frames.read(wanted, size)
        else:
            source = frames.flow_source(wanted, flow, size, recipe.cache_dir)
            values = flow_lib.stacks(source, wanted, flow)
        made[name] = np.stack(
            [
                _padded(
                    views.show(values[np.searchsorted(wanted, i)], v, recipe.clips.crop_size, flow),
                    n,
                )
                for i, n in chosen
                for v in shown
            ]
        )
    counts = [valid for _, valid in chosen for _ in shown]
    return made | {"num_frames": np.array(counts, np.int32)}


def _padded(clip: np.ndarray, num_frames: int) -> np.ndarray:
    """The clip, its frames after `num_frames` zero."""
    if num_frames == len(clip):
        return clip
    return np.concatenate([clip[:num_frames], np.zeros_like(clip[num_frames:])])


@dataclasses.dataclass(frozen=True)
class Item:
    """A video that can be read.

    Attributes:
        id: what it is called in a submission.
        labels: its class ids, ascending.
        frames: where its frames are from.
        about: what is known of it.
        task: the number of its task among those of the schema; 0 where there are none.
    """

    id: str
    labels: tuple[int, ...]
    frames: Frames
    about: About
    task: int = 0
