"""Optical flow: displacement fields between frames, and how a model sees them.

Simonyan & Zisserman 2014, https://arxiv.org/abs/1406.2199, section 3; three channels as Ng et al.
2015, https://arxiv.org/abs/1503.08909. Runs in worker processes: no TensorFlow, no Keras.

A field holds, for each pixel, the displacement (x, y) in pixels to the next frame: x to the right,
y down. Pair i is frames i and i + 1: its forward field goes from frame i to frame i + 1, and its
backward field from frame i + 1 to frame i. A backward field is computed from the frames in reverse
order; it is not the forward field negated.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import cv2
import numpy as np

from yt8m.base.errors import UserError
from yt8m.data.video.clip_specs import METHODS, Flow

ZERO = 128
"""The byte of no displacement; a displacement of `bound` is 127 away from it."""

_STEPS = 127
_DIS_LEAST = 16
_FRAMES_AT_ONCE = 64
_Walk = list[tuple[str, int]]


class Source(Protocol):
    """The fields of a video.

    Attributes:
        num_frames: how many frames the video has.
        size: (height, width) of its fields.
    """

    num_frames: int
    size: tuple[int, int]

    def forward(self, pair: int) -> np.ndarray:
        """(height, width, 2) float32 in pixels, for 0 <= pair < num_frames - 1."""

    def backward(self, pair: int) -> np.ndarray:
        """As `forward`, from the second frame of the pair to the first."""


class FrameFlow:
    """The fields of a video, computed from its frames when they are asked for.

    They pass through bytes, as fields in a cache do: so a cache changes no result.

    Args:
        read: from ascending frame numbers to the frames (n, height, width, 3), uint8 RGB. It is
            called here, with few frames at a time; what is kept of them is grey.
        num_frames: how many frames the video has.
        indices: of the frames that `stacks` will be asked for: only what they need is read.
        flow: the method and the bound.
    """

    def __init__(
        self,
        read: Callable[[np.ndarray], np.ndarray],
        num_frames: int,
        indices: Sequence[int],
        flow: Flow,
    ):
        self.num_frames = num_frames
        self._bound = flow.bound
        self._between = _calculator(flow.method)
        pairs = set().union(*needed(indices, num_frames, flow))
        wanted = np.array(sorted({i for pair in pairs for i in (pair, pair + 1)} or {0}))
        self._grey: dict[int, np.ndarray] = {}
        for start in range(0, len(wanted), _FRAMES_AT_ONCE):
            part = wanted[start : start + _FRAMES_AT_ONCE]
            self._grey.update(zip(part.tolist(), map(_grey, read(part)), strict=True))
        self.size: tuple[int, int] = self._grey[int(wanted[0])].shape

    def forward(self, pair: int) -> np.ndarray:
        """See `Source.forward`."""
        return self._field(pair, pair + 1)

    def backward(self, pair: int) -> np.ndarray:
        """See `Source.backward`."""
        return self._field(pair + 1, pair)

    def _field(self, first: int, second: int) -> np.ndarray:
        field = self._between(self._grey[first], self._grey[second])
        return dequantize(quantize(field, self._bound), self._bound)


def fields(frames: np.ndarray, method: str) -> np.ndarray:
    """Computes the displacements from each frame to the next.

    OpenCV gets one thread: the callers work in several processes.

    Args:
        frames: (n, height, width, 3) uint8 RGB, at least one. They are compared in grey.
        method: `dis`, dense inverse search with OpenCV's medium preset; `tvl1` with OpenCV's
            defaults, which are the authors' (lambda 0.15, five scales and warps); `farneback` as in
            OpenCV's examples (three levels of scale 0.5, window 15, three iterations,
            neighbourhood 5, sigma 1.2).

    Returns:
        (n - 1, height, width, 2) float32, x and y in pixels.

    Raises:
        ValueError: the frames are no such array, or the method is not known.
        UserError: OpenCV was built without the method.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise ValueError(
            "frames must be (n, height, width, 3) uint8, at least one. "
            f"Received: frames={frames.shape} {frames.dtype}."
        )
    between = _calculator(method)
    grey = [_grey(frame) for frame in frames]
    answer = np.empty((len(frames) - 1, *grey[0].shape, 2), np.float32)
    for number in range(len(answer)):
        answer[number] = between(grey[number], grey[number + 1])
    return answer


def compute(frames: np.ndarray, flow: Flow) -> np.ndarray:
    """The fields between following frames as bytes, see `fields` and `quantize`."""
    return quantize(fields(frames, flow.method), flow.bound)


def quantize(fields: np.ndarray, bound: float) -> np.ndarray:
    """Displacements to bytes: 128 is zero, 1 and 255 are -bound and bound; 0 is not used.

    What is larger than `bound` is cut, and the rest is off by `bound / 254` pixels at most.
    """
    return (np.rint(np.clip(fields / bound, -1, 1) * _STEPS) + ZERO).astype(np.uint8)


def dequantize(values: np.ndarray, bound: float) -> np.ndarray:
    """Bytes to displacements in pixels, float32. `quantize` gives the same bytes again."""
    return (values.astype(np.float32) - ZERO) / _STEPS * bound


def flip(values: np.ndarray, flow: Flow) -> np.ndarray:
    """Turns left and right: the flow of the video as a mirror shows it.

    Args:
        values: (..., height, width, channels) uint8, as `stacks` gives them.
        flow: how they were made.

    Returns:
        The same shape: mirrored, and with the opposite sign in every x channel.

    Raises:
        ValueError: there are other channels than `flow` makes.
    """
    if values.shape[-1] != flow.num_channels:
        raise ValueError(
            f"values must have {flow.num_channels} channels. Received: values={values.shape}."
        )
    answer = values[..., ::-1, :].copy()
    horizontal = answer[..., : 2 * flow.length : 2]
    np.negative(horizontal, out=horizontal)  # In bytes, -q is 256 - q.
    return answer


def needed(indices: Sequence[int], num_frames: int, flow: Flow) -> tuple[list[int], list[int]]:
    """Which fields `stacks` reads for these frames.

    Args:
        indices: of frames.
        num_frames: how many frames the video has.
        flow: how fields are stacked.

    Returns:
        The pairs whose forward fields are read, and those whose backward fields are, ascending.

    Raises:
        ValueError: an index is outside the video.
    """
    pairs: dict[str, set[int]] = {"forward": set(), "backward": set()}
    for frame in np.unique(_checked(indices, num_frames)).tolist():
        for walk in _walks(frame, num_frames, flow):
            for direction, pair in walk:
                pairs[direction].add(pair)
    return sorted(pairs["forward"]), sorted(pairs["backward"])


def stacks(source: Source, indices: Sequence[int], flow: Flow) -> np.ndarray:
    """The flow that a model sees at each of these frames.

    At frame t, with L fields: `stack` takes the forward fields of pairs t to t + L - 1 at the same
    place. `trajectory` takes field k at the point p_k, where p_1 is the place itself and p_k =
    p_(k-1) + d_(k-1)(p_(k-1)); a point that would leave the frame stays at its border, and between
    pixels the field is interpolated bilinearly. `bidirectional` takes L / 2 forward fields from t
    on, then L / 2 backward fields from t back to t - L / 2, nearest first: with `trajectory`,
    points are followed back in time.

    Where the video ends, or has not begun, its last (first) field is repeated; a video of one frame
    has no displacement. With `subtract_mean` each field's mean, over the whole frame, is taken away
    in the end: points follow the full field. The fields are of bytes: what exceeds the bound was
    cut before the mean is taken, and a point moves by up to bound / 254 too far or too short.

    Args:
        source: the fields of the video.
        indices: of frames, in any order; they may repeat.
        flow: how fields are stacked.

    Returns:
        (len(indices), height, width, flow.num_channels) uint8, see `quantize`: x and y of the first
        field, x and y of the second, ... A third channel (`channels=3`) is zero displacement.

    Raises:
        ValueError: an index is outside the video.
    """
    indices = _checked(indices, source.num_frames)
    answer = np.full((len(indices), *source.size, flow.num_channels), ZERO, np.uint8)
    # Frames go in ascending order, so few fields have to be kept for the frames that follow.
    keep = functools.lru_cache(maxsize=2 * flow.length)
    field = keep(functools.partial(_field, source, flow))
    plane = keep(lambda step: quantize(np.subtract(*_field(source, flow, step)), flow.bound))
    for frame in np.unique(indices).tolist():
        for number, walk in enumerate(_walks(frame, source.num_frames, flow)):
            planes = map(plane, walk) if flow.stacking == "stack" else _follow(walk, field, flow)
            first = 2 * len(walk) * number
            part = np.concatenate(list(planes), axis=-1)
            answer[indices == frame, ..., first : first + part.shape[-1]] = part
    return answer


def _walks(frame: int, num_frames: int, flow: Flow) -> list[_Walk]:
    """The fields at a frame, in the order of their channels: a walk for each direction."""
    if num_frames < 2:
        return []
    steps = flow.length // 2 if flow.bidirectional else flow.length
    walks = [[("forward", min(frame + k, num_frames - 2)) for k in range(steps)]]
    if flow.bidirectional:
        walks.append([("backward", max(frame - 1 - k, 0)) for k in range(steps)])
    return walks


def _field(source: Source, flow: Flow, step: tuple[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """A field, and what is taken away from it."""
    direction, pair = step
    field = source.forward(pair) if direction == "forward" else source.backward(pair)
    mean = field.mean((0, 1), dtype=np.float64) if flow.subtract_mean else np.zeros(2)
    return field, mean.astype(np.float32)


def _follow(
    walk: _Walk, field: Callable[[tuple[str, int]], tuple[np.ndarray, np.ndarray]], flow: Flow
) -> Iterator[np.ndarray]:
    """The planes of a walk, each pixel's value taken where its point has moved to."""
    points = None
    for step in walk:
        values, mean = field(step)
        if points is None:
            height, width = values.shape[:2]
            points = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
            points = points.astype(np.float32)
        there = _interpolate(values, points)
        yield quantize(there - mean, flow.bound)
        points = np.clip(points + there, 0, np.float32([width - 1, height - 1]))


def _interpolate(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The field at points (x, y) within it; OpenCV's `remap` would round them to 1/32 pixel."""
    height, width = field.shape[:2]
    values = np.ascontiguousarray(field).view(np.complex64).ravel()  # x and y are one number.
    left, top = (np.floor(points[..., axis]).astype(np.intp) for axis in (0, 1))
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = points[..., 0] - left, points[..., 1] - top

    def on(row: np.ndarray) -> np.ndarray:
        start, end = values[row * width + left], values[row * width + right]
        return start + (end - start) * across.astype(np.float32)

    upper, lower = on(top), on(bottom)
    answer = upper + (lower - upper) * down.astype(np.float32)
    return answer.view(np.float32).reshape(field.shape)


def _checked(indices: Sequence[int], num_frames: int) -> np.ndarray:
    indices = np.asarray(indices, np.int64)
    wrong = indices[(indices < 0) | (indices >= num_frames)]
    if wrong.size:
        raise ValueError(
            f"indices must be of the {num_frames} frames of the video. "
            f"Received: indices={wrong.tolist()}."
        )
    return indices


def _grey(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


def _calculator(method: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A function of two grey frames."""
    cv2.setNumThreads(1)
    if method == "dis":
        return _dis
    if method == "farneback":
        return lambda first, second: cv2.calcOpticalFlowFarneback(
            *(first, second, None), 0.5, 3, 15, 3, 5, 1.2, 0
        )
    if method != "tvl1":
        raise ValueError(f"method must be of {', '.join(METHODS)}. Received: method={method!r}.")
    if not hasattr(cv2, "optflow"):
        raise UserError(
            "Flow by tvl1 needs OpenCV's contributed modules, which the installed one lacks: "
            "uninstall every opencv package, then install opencv-contrib-python-headless."
        )
    tvl1 = cv2.optflow.DualTVL1OpticalFlow_create()
    return lambda first, second: tvl1.calc(first, second, None)


def _dis(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Dense inverse search, the same for a pair whatever came before.

    An object of OpenCV keeps the scales that a small pair was given, and answers otherwise from
    then on: each pair gets a new one. Below 16 pixels a side OpenCV fails: smaller frames are
    continued by their border.
    """
    height, width = first.shape
    border = (0, max(0, _DIS_LEAST - height), 0, max(0, _DIS_LEAST - width))
    if any(border):
        first, second = (
            cv2.copyMakeBorder(grey, *border, cv2.BORDER_REPLICATE) for grey in (first, second)
        )
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return dis.calc(first, second, None)[:height, :width]
