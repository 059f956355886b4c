"""The scores of videos by a run of raw video. Each file is decoded twice, frame by frame.

The first pass counts frames and notes when each is shown. After it is known which frames any clip
is made of: the second keeps those alone, and as long as a clip still needs them. So memory grows
with neither the length of a video nor the number of its windows.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence

import keras
import numpy as np

from yt8m.base.progress import ProgressReport
from yt8m.data.video import clips as clips_lib
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Flow
from yt8m.data.video.clips import About, Recipe
from yt8m.data.video.frames import decoding
from yt8m.data.video.frames import shots as shots_lib
from yt8m.data.video.frames.decoding import Timed
from yt8m.data.video.frames.flow import FrameFlow
from yt8m.evaluation import predicting
from yt8m.prediction.answers import Answer, Window, Windows

_MOST_CLIPS = 10
_FRAMES_SHOWN = 100


@dataclasses.dataclass(frozen=True)
class _Clip:
    """A clip to be made.

    Attributes:
        first: the frame of the file where its part begins.
        about: that part, counted from there.
        number, num_clips: which clip of the part, see `clips.evaluation_clips`.
        needed: the frames of the file that it is made of, ascending.
    """

    first: int
    about: About
    number: int
    num_clips: int
    needed: np.ndarray


class _Kept:
    """Frames of a file that were kept, counted from one of them: a `clips.Frames`."""

    def __init__(self, kept: dict[int, np.ndarray], first: int, num_frames: int):
        self._kept = kept
        self._first = first
        self._num_frames = num_frames

    def read(self, indices: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The frames of these numbers, which were resized when they were decoded."""
        return np.stack([self._kept[self._first + int(index)] for index in indices])

    def flow_source(
        self, indices: np.ndarray, flow: Flow, size: tuple[int, int], cache_dir: str
    ) -> FrameFlow:
        """The displacement fields that these frames are shown with: none are kept."""
        return FrameFlow(lambda wanted: self.read(wanted, size), self._num_frames, indices, flow)


class ClipPredictor:
    """Scores videos by a model of raw video.

    Args:
        model: from stored pixels and flow to probabilities.
        schema: what a clip is.
        batch_size: views of clips a batch.
        num_clips: clips of a video, evenly spread; None takes as many as cover it, up to 10.
        num_crops: views of a clip.
        windows: how videos are cut into windows, with a clip from the middle of each; None does
            not. The scores of a video are then the means over its windows.
    """

    def __init__(
        self,
        model: keras.Model,
        schema: ClipSchema,
        batch_size: int = 16,
        num_clips: int | None = None,
        num_crops: int = 1,
        windows: Windows | None = None,
    ):
        self._predict = predicting.predictor(model)
        self._schema = schema
        self._recipe = Recipe(schema.inputs, schema.clips, schema.flow)
        self._batch_size = batch_size
        self._num_clips = num_clips
        self._num_crops = num_crops
        self._windows = windows

    def answer(self, path: str) -> Answer:
        """The scores of a video.

        Raises:
            VideoError: it cannot be decoded.
        """
        name = os.path.basename(path)
        with ProgressReport(f"Looking at {name}", unit="frames") as progress:
            timed = decoding.probe_times(path, progress.advance, _FRAMES_SHOWN)
        anchors = self._anchors(path, timed)
        windows = self._windows.of(timed.end) if self._windows else []
        if windows:
            clips = [self._clip(self._part(timed, anchors, window), 0, 1) for window in windows]
        else:
            whole = 0, About(len(timed.times), timed.probe.height, timed.probe.width, anchors)
            count = self._num_clips or self._covering(len(timed.times))
            clips = [self._clip(whole, number, count) for number in range(count)]
        scores = self._scores(path, clips, f"Predicting {name}")
        mean = scores.mean(axis=0, dtype=np.float64).astype(np.float32)
        return Answer(path, timed.end, mean, windows, scores if windows else scores[:0])

    def _anchors(self, path: str, timed: Timed) -> tuple[int, ...]:
        """The frames that clips of keyframes or shots are taken from."""
        sampling = self._schema.clips.sampling
        if sampling == "shots":
            return decoding.probe_and_view(path, shots_lib.boundaries, shots_lib.SIZE)[1]
        return timed.probe.keyframes if sampling == "keyframes" else (0,)

    def _covering(self, num_frames: int) -> int:
        """How many clips cover a video, up to ten."""
        clips = self._schema.clips
        if clips.sampling != "dense":
            return 1
        return min(_MOST_CLIPS, -(-num_frames // (clips.frames * clips.stride)))

    def _part(self, timed: Timed, anchors: Sequence[int], window: Window) -> tuple[int, About]:
        """The frames that are on screen in a window: the first of them, and what they are."""
        # What is on screen when a window begins belongs to it; what begins as it ends does not.
        first = max(0, int(np.searchsorted(timed.times, window.start + 1e-6, "right")) - 1)
        stop = max(first + 1, int(np.searchsorted(timed.times, window.end - 1e-6, "left")))
        inside = {anchor - first for anchor in anchors if first <= anchor < stop}
        if not inside or self._schema.clips.sampling == "shots":
            inside.add(0)  # A shot that began before the window goes on in it.
        about = About(stop - first, timed.probe.height, timed.probe.width, tuple(sorted(inside)))
        return first, about

    def _clip(self, part: tuple[int, About], number: int, num_clips: int) -> _Clip:
        first, about = part
        needed = clips_lib.needed_frames(about, self._recipe, number, num_clips)
        return _Clip(first, about, number, num_clips, first + needed)

    def _scores(self, path: str, clips: Sequence[_Clip], task: str) -> np.ndarray:
        """(clips, num_classes) float32, the means over the crops of each."""
        found: list[np.ndarray] = []
        waiting: list[dict[str, np.ndarray]] = []

        def predict() -> None:
            batch = {n: np.concatenate([views[n] for views in waiting]) for n in waiting[0]}
            scores = self._predict(batch)
            predicting.check_finite_of(path, scores)
            crops = scores.reshape(len(waiting), self._num_crops, -1)
            found.append(crops.mean(axis=1, dtype=np.float64).astype(np.float32))
            progress.advance(len(waiting))
            waiting.clear()

        with ProgressReport(task, len(clips), "clips") as progress:
            for views in self._made(path, clips):
                waiting.append(views)
                if len(waiting) * self._num_crops >= self._batch_size:
                    predict()
            if waiting:
                predict()
        return np.concatenate(found)

    def _made(self, path: str, clips: Sequence[_Clip]) -> Iterator[dict[str, np.ndarray]]:
        """The views of each clip, in order."""
        about = clips[0].about
        size = self._schema.clips.frame_size(about.height, about.width)
        wanted = np.unique(np.concatenate([clip.needed for clip in clips]))
        # The frames that the clips from one on still need begin here.
        starts = np.minimum.accumulate([clip.needed[0] for clip in clips][::-1])[::-1]
        kept: dict[int, np.ndarray] = {}
        made = 0
        for number, image in decoding.some_frames(path, wanted, size):
            kept[number] = image
            while made < len(clips) and clips[made].needed[-1] <= number:
                yield self._views(clips[made], kept)
                made += 1
                first = starts[made] if made < len(clips) else number + 1
                for old in [n for n in kept if n < first]:
                    del kept[old]

    def _views(self, clip: _Clip, kept: dict[int, np.ndarray]) -> dict[str, np.ndarray]:
        frames = _Kept(kept, clip.first, clip.about.num_frames)
        numbers = range(clip.number, clip.number + 1)
        return clips_lib.evaluation_clips(
            frames, clip.about, self._recipe, numbers, clip.num_clips, self._num_crops
        )
