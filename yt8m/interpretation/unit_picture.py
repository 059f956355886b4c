"""The picture of a unit: what the model saw where the unit answered most, and why it did."""

from __future__ import annotations

import keras
import numpy as np

from yt8m.interpretation import clip_images, drawing
from yt8m.interpretation.first_clips import Clip

_CELL = 104
_MOST_WIDTH = 1300
_LEAST_WIDTH = 300
# What is less than this share of the greatest value is not shown.
_VISIBLE = 0.01


def block(
    model: keras.Model,
    clip: Clip,
    projected: dict[str, np.ndarray],
    texts: list[str],
    shown_frames: int,
) -> np.ndarray:
    """Draws an activation.

    On the left is the frame that it is made of most, with an outline of the part that it is made
    of. On the right there is that part, and below it what it is made of, for each frame.

    Args:
        model: of the run.
        clip: the clip.
        projected: see `units.Units.project`.
        texts: what stands above.
        shown_frames: how many frames to show at most.

    Returns:
        A picture.
    """
    known = clip_images.names(clip)
    reached = [name for name in known if projected[name].any()] or known[:1]
    columns, height = [], 2 * _CELL + drawing.GAP
    for name in reached:
        pattern, images = _pattern(model, clip, name, projected[name])
        frames, moment = _frames(pattern, shown_frames)
        top, left, bottom, right = box = _box(pattern)
        limit = max(float(np.abs(pattern[frames]).max()), np.finfo(np.float32).tiny)
        name = f"{name}, frame {moment}"
        columns.append([_heading(name, _outlined(images[moment], box, height))])
        for frame in frames:
            part = np.s_[frame, top:bottom, left:right]
            pictures = [images[part], drawing.image_of(pattern[part], limit)]
            cells = [drawing.put_in(picture, _CELL, _CELL) for picture in pictures]
            columns[-1].append(_heading(f"frame {frame}", drawing.below(cells)))
    body = drawing.below([drawing.beside(column) for column in columns])
    width = max(body.shape[1], _LEAST_WIDTH)
    return drawing.below([drawing.lines(texts, width), body], gap=0)


def write(path: str, title: str, blocks: list[np.ndarray]) -> None:
    """Writes the picture of a unit: its activations side by side, as many as fit, in rows.

    Raises:
        UserError: the file cannot be written.
    """
    width = max(picture.shape[1] for picture in blocks)
    each_row = max(1, _MOST_WIDTH // (width + 4 * drawing.GAP))
    rows = [
        drawing.beside(blocks[i : i + each_row], 4 * drawing.GAP)
        for i in range(0, len(blocks), each_row)
    ]
    body = drawing.below(rows, 4 * drawing.GAP)
    explained = [
        title,
        "large: the frame it is made of most; above: the part; below: what it is made of,",
        "grey is 0, and the greatest value of each clip has full colour",
    ]
    width = max(body.shape[1], *(drawing.text_width(text) + 8 for text in explained))
    heading = drawing.lines(explained, width)
    drawing.write_png(path, drawing.margin(drawing.below([heading, body], 2 * drawing.GAP)))


def _pattern(
    model: keras.Model, clip: Clip, name: str, projected: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What is shown of a projection, and the frames it belongs to.

    Of stacked optical flow that is the field which the activation is made of most.
    """
    if name != "flow":
        return projected, clip_images.images(model, clip, name)
    fields = projected.shape[-1] // 2
    energy = np.square(projected[..., : 2 * fields]).reshape(-1, fields, 2).sum((0, 2))
    field = int(energy.argmax())
    return projected[..., 2 * field : 2 * field + 2], clip_images.images(model, clip, name, field)


def _frames(pattern: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """The frames to show, ascending, and which of them the activation is made of most."""
    energy = np.square(pattern).sum((1, 2, 3))
    moment = int(energy.argmax())
    seen = np.flatnonzero(energy >= _VISIBLE**2 * energy[moment])
    if len(seen) > most:
        spread = np.round(np.linspace(0, len(seen) - 1, most)).astype(int)
        seen = seen[spread]
        seen[np.abs(seen - moment).argmin()] = moment
    return seen, moment


def _box(pattern: np.ndarray) -> tuple[int, int, int, int]:
    """The part of the frames that the activation is made of: top, left, bottom, right."""
    size = np.abs(pattern).max((0, 3))
    visible = size >= _VISIBLE * size.max()
    rows, columns = np.flatnonzero(visible.any(1)), np.flatnonzero(visible.any(0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _outlined(image: np.ndarray, box: tuple[int, int, int, int], height: int) -> np.ndarray:
    scale = height / image.shape[0]
    large = drawing.resize(image, height, max(1, round(image.shape[1] * scale)))
    return drawing.outline(large, *(scale * edge for edge in box))


def _heading(text: str, picture: np.ndarray) -> np.ndarray:
    return drawing.below([drawing.lines([text], picture.shape[1]), picture], gap=0)
