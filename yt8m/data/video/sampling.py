"""Which frames of a video make a clip. NumPy only: worker processes import it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from yt8m.data.video.clip_specs import Clips


def training_frames(
    clips: Clips, num_frames: int, anchors: Sequence[int], random: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Draws a clip of a video.

    Args:
        clips: how clips are cut.
        num_frames: frames of the video, 1 or more.
        anchors: frame numbers, ascending, of the I-frames (`keyframes`) or of the first frames of
            the shots (`shots`); looked at for these only.
        random: what to draw from.

    Returns:
        (frames,) frame numbers, and how many of them are of the video; the rest is padding.
    """
    if clips.sampling == "dense":
        last = num_frames - _span(clips)
        return _dense(clips, num_frames, int(random.integers(last + 1)) if last > 0 else 0)
    return _spread(clips, num_frames, anchors, lambda: float(random.random()))


def evaluation_frames(
    clips: Clips, num_frames: int, anchors: Sequence[int], number: int, num_clips: int
) -> tuple[np.ndarray, int]:
    """The frames of one of several clips of a video, which are evenly spread over it.

    Args:
        clips: how clips are cut.
        num_frames: frames of the video, 1 or more.
        anchors: as `training_frames`.
        number: which of the clips, from 0.
        num_clips: how many there are. A single one is from the middle.

    Returns:
        As `training_frames`.
    """
    if clips.sampling == "dense":
        last = max(0, num_frames - _span(clips))
        share = number / (num_clips - 1) if num_clips > 1 else 0.5
        return _dense(clips, num_frames, round(last * share))
    share = (number + 0.5) / num_clips
    return _spread(clips, num_frames, anchors, lambda: share)


def _span(clips: Clips) -> int:
    return (clips.frames - 1) * clips.stride + 1


def _dense(clips: Clips, num_frames: int, start: int) -> tuple[np.ndarray, int]:
    wanted = start + clips.stride * np.arange(clips.frames)
    valid = int((wanted < num_frames).sum())
    if clips.short == "loop":
        # The loop goes through the frames that the stride meets, from the first one on.
        return wanted[np.arange(clips.frames) % valid], clips.frames
    if clips.short == "repeat":
        return wanted[np.minimum(np.arange(clips.frames), valid - 1)], clips.frames
    return wanted[np.minimum(np.arange(clips.frames), valid - 1)], valid


def _spread(clips: Clips, num_frames: int, anchors: Sequence[int], draw) -> tuple[np.ndarray, int]:
    """One frame of each of as many equal parts of the video, or of its anchors, as a clip has."""
    if clips.sampling == "uniform":
        places, valid = _places(clips, num_frames, draw)
        return places, valid
    places, valid = _places(clips, len(anchors), draw)
    first = np.asarray(anchors)
    if clips.sampling == "keyframes":
        return first[places], valid
    ends = np.append(first[1:], num_frames)
    lengths = ends[places] - first[places]
    inside = np.array([int(draw() * length) for length in lengths])
    return first[places] + inside, valid


def _places(clips: Clips, count: int, draw) -> tuple[np.ndarray, int]:
    """As many of `count` places as a clip has frames, in order, and how many are no padding."""
    numbers = np.arange(clips.frames)
    if count >= clips.frames:
        edges = count * np.arange(clips.frames + 1) // clips.frames
        shares = np.array([draw() for _ in numbers])
        return edges[:-1] + (shares * np.diff(edges)).astype(int), clips.frames
    if clips.short == "loop":
        return numbers % count, clips.frames
    valid = clips.frames if clips.short == "repeat" else count
    return np.minimum(numbers, count - 1), valid
