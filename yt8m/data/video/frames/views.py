"""Which part of the frames a model sees: one view for all frames of a clip.

NumPy and OpenCV only: worker processes import it.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from yt8m.data.video.clip_specs import Clips, Flow, check_num_crops
from yt8m.data.video.frames import flow as flow_lib

# Wang et al., Towards good practices for very deep two-stream ConvNets, arXiv 1507.02159.
_SCALES = (1.0, 0.875, 0.75, 0.66)


@dataclasses.dataclass(frozen=True)
class View:
    """A part of a frame, in pixels, mirrored or not.

    Attributes:
        top, left: the place.
        height, width: the size that is cut out.
        flip: whether left and right change places.
    """

    top: int
    left: int
    height: int
    width: int
    flip: bool = False


def training_view(clips: Clips, frame_size: tuple[int, int], random: np.random.Generator) -> View:
    """Draws a view of a clip, as `clips.augment` says; without it the centre.

    Args:
        clips: how clips are cut.
        frame_size: (height, width) of the frames.
        random: what to draw from.
    """
    height, width = clips.crop_size
    if "scale" in clips.augment:
        height, width = _scaled(clips, frame_size, random)
    top, left = (frame_size[0] - height) // 2, (frame_size[1] - width) // 2
    if "crop" in clips.augment:
        top = int(random.integers(frame_size[0] - height + 1))
        left = int(random.integers(frame_size[1] - width + 1))
    flip = "flip" in clips.augment and bool(random.random() < 0.5)
    return View(top, left, height, width, flip)


def _scaled(
    clips: Clips, frame_size: tuple[int, int], random: np.random.Generator
) -> tuple[int, int]:
    """A size to cut out: shares of the largest part that has the proportions of the crop."""
    height, width = clips.crop_size
    largest = min(frame_size[0] / height, frame_size[1] / width)
    first = int(random.integers(len(_SCALES)))
    near = [i for i in range(len(_SCALES)) if abs(i - first) <= 1]
    second = int(random.choice(near))
    return (
        max(1, round(height * largest * _SCALES[first])),
        max(1, round(width * largest * _SCALES[second])),
    )


def evaluation_views(crop_size: tuple[int, int], frame_size: tuple[int, int], count: int):
    """The views of a frame that an evaluation takes.

    Args:
        crop_size: (height, width) that a model sees.
        frame_size: (height, width) of the frames.
        count: 1, the centre; 3, evenly along the longer side, the centre second; 5, the centre
            and the corners; 10, these and then their mirror images.

    Returns:
        `count` views.

    Raises:
        UserError: another count.
    """
    check_num_crops(count)
    (height, width), (whole_height, whole_width) = crop_size, frame_size
    down, right = whole_height - height, whole_width - width
    centre = View(down // 2, right // 2, height, width)
    if count == 1:
        return [centre]
    if count == 3:
        ends = [(0, right // 2), (down, right // 2)] if down > right else []
        ends = ends or [(down // 2, 0), (down // 2, right)]
        first, last = (View(top, left, height, width) for top, left in ends)
        return [first, centre, last]
    corners = [View(t, s, height, width) for t in (0, down) for s in (0, right)]
    views = [centre, *corners]
    return views + [dataclasses.replace(v, flip=True) for v in views] if count == 10 else views


def show(frames: np.ndarray, view: View, size: tuple[int, int], flow: Flow | None = None):
    """Cuts a view out of the frames of a clip.

    Args:
        frames: (frames, height, width, channels) uint8, pixels or flow.
        view: the part.
        size: (height, width) to resize the part to, where it has another size.
        flow: how flow is shown, where the frames are flow: mirrored, its x components change
            their sign; resized, a displacement keeps its length in pixels of the frames.

    Returns:
        (frames, *size, channels) uint8.
    """
    part = frames[:, view.top : view.top + view.height, view.left : view.left + view.width]
    if part.shape[1:3] != size:
        part = np.stack([resize(frame, size) for frame in part])
    if not view.flip:
        return part
    return part[:, :, ::-1] if flow is None else flow_lib.flip(part, flow)


def resize(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes a frame, averaging over what becomes a pixel.

    Args:
        frame: (height, width, channels) uint8.
        size: the new (height, width).

    Returns:
        (*size, channels) uint8.
    """
    smaller = size[0] * size[1] < frame.shape[0] * frame.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    # OpenCV takes four channels at most where it averages; flow may have twenty.
    parts = [frame[..., i : i + 4] for i in range(0, frame.shape[-1], 4)]
    resized = [cv2.resize(np.ascontiguousarray(p), size[::-1], interpolation=method) for p in parts]
    return np.concatenate([r.reshape(*size, -1) for r in resized], axis=-1)
