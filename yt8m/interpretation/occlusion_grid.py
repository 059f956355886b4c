"""Hiding parts of a clip, and what that takes from the probability of a class. NumPy only."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator

import numpy as np

# The stored byte that stands for 0: exactly of optical flow, and the grey in the middle of pixels.
GREY = 128


@dataclasses.dataclass(frozen=True)
class Grid:
    """Where cuboids are put into a clip.

    Attributes:
        size: (frames, height, width) of a cuboid.
        starts: for each of these axes, the first frame, row or column of the cuboids, ascending.
        clip_size: (frames, height, width) of the clip, padding counted.
    """

    size: tuple[int, int, int]
    starts: tuple[np.ndarray, np.ndarray, np.ndarray]
    clip_size: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many cuboids there are along time, height and width."""
        return tuple(map(len, self.starts))

    def cuboids(self) -> Iterator[tuple[slice, slice, slice]]:
        """The cuboids as slices of time, height and width, those of one time together."""
        for corner in itertools.product(*self.starts):
            yield tuple(slice(s, s + n) for s, n in zip(corner, self.size, strict=True))

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Makes a map of the whole clip of a value for each cuboid.

        Args:
            values: `shape`, one value a cuboid.

        Returns:
            `clip_size`: for each pixel the mean over the cuboids that hide it, and 0 where none
            does, which is padding.
        """
        for axis, starts in enumerate(self.starts):
            place = np.arange(self.clip_size[axis])[:, None]
            hides = ((place >= starts) & (place < starts + self.size[axis])).astype(np.float64)
            hides /= np.maximum(hides.sum(1, keepdims=True), 1)
            values = np.moveaxis(np.tensordot(hides, values, (1, axis)), 0, axis)
        return values


def grid(
    clip_size: tuple[int, int, int],
    num_frames: int,
    size: tuple[int, int, int],
    strides: tuple[int, int, int],
) -> Grid:
    """Puts cuboids over a clip, the last one of each axis at the end, so that they leave out none.

    Args:
        clip_size: (frames, height, width) of the clip.
        num_frames: how many of its frames are no padding; the others are not hidden.
        size: (frames, height, width) of a cuboid. It is no longer than the frames there are.
        strides: from one cuboid to the next along each axis.

    Raises:
        ValueError: a cuboid is larger than a frame, or a number is not positive.
    """
    if min(*size, *strides, num_frames) < 1:
        raise ValueError(
            "Sizes, strides and the number of frames must be positive. "
            f"Received: size={size}, strides={strides}, num_frames={num_frames}."
        )
    if size[1] > clip_size[1] or size[2] > clip_size[2]:
        raise ValueError(
            "A patch must be no larger than a frame. "
            f"Received: size={size[1:]}, frames of {clip_size[1:]}."
        )
    size = (min(size[0], num_frames), *size[1:])
    lengths = (num_frames, *clip_size[1:])
    starts = tuple(itertools.starmap(_starts, zip(lengths, size, strides, strict=True)))
    return Grid(size, starts, clip_size)


def _starts(length: int, size: int, stride: int) -> np.ndarray:
    return np.unique(np.append(np.arange(0, length - size, stride), length - size))


def drops(
    predict: Callable[[dict[str, np.ndarray]], np.ndarray],
    clip: dict[str, np.ndarray],
    whole: float,
    hidden: tuple[str, ...],
    places: Grid,
    batch_size: int,
    class_id: int,
    advance: Callable[[int], None] = lambda count: None,
) -> np.ndarray:
    """How far the probability of a class falls when a part of the clip turns grey.

    Args:
        predict: from a batch of inputs to probabilities (batch, num_classes).
        clip: the inputs, without a batch axis.
        whole: the probability of the class where nothing is hidden.
        hidden: names of the inputs that turn grey: (frames, height, width, channels) uint8.
        places: the cuboids.
        batch_size: clips a batch, of which so many copies are in memory.
        class_id: the class.
        advance: told how many cuboids were tried.

    Returns:
        The shape of `places`: `whole` less the probability that is left; below 0 where it rises.

    Reference:
        Zeiler and Fergus, Visualizing and understanding convolutional networks,
        https://arxiv.org/abs/1311.2901, section 4.2, for images.
    """
    left = []
    cuboids = places.cuboids()
    while chosen := list(itertools.islice(cuboids, batch_size)):
        batch = {
            name: np.repeat(values[None], len(chosen), axis=0) for name, values in clip.items()
        }
        for row, cuboid in enumerate(chosen):
            for name in hidden:
                batch[name][(row, *cuboid)] = GREY
        left.append(predict(batch)[:, class_id])
        advance(len(chosen))
    return np.float32(whole) - np.concatenate(left).reshape(places.shape)
