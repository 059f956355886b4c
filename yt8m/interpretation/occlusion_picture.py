"""The picture of what hiding parts of a clip did."""

from __future__ import annotations

import keras
import numpy as np

from yt8m.interpretation import clip_images, drawing
from yt8m.interpretation.first_clips import name_of
from yt8m.interpretation.occlusion_maps import OcclusionMap

_SIDE = 200
_LEAST_LIMIT = 1e-4


def write(path: str, model: keras.Model, found: OcclusionMap, shown_frames: int) -> None:
    """Writes a picture of frames from top to bottom, and beside each one the map over it.

    Args:
        path: the .png.
        model: of the run.
        found: what hiding parts of a clip did.
        shown_frames: how many frames to show, evenly spread, at most all.

    Raises:
        UserError: the file cannot be written.
    """
    spread = found.places.spread(found.drop)
    limit = max(float(np.abs(spread).max()), _LEAST_LIMIT)
    num_frames = int(found.clip["num_frames"])
    shown = np.unique(np.linspace(0, num_frames - 1, min(shown_frames, num_frames)).round())
    shown = shown.astype(int)
    images = {
        name: clip_images.images(model, found.clip, name) for name in clip_images.names(found.clip)
    }
    columns = [_column(name, [_large(image[t]) for t in shown]) for name, image in images.items()]
    ground = next(iter(images.values()))
    over = [drawing.heat(_large(ground[t]), _large(spread[t]), limit) for t in shown]
    numbers = [_number(int(t), len(over[0])) for t in shown]
    columns = [_column("", numbers), *columns, _column("map", over)]
    columns.append(drawing.below([drawing.paper(drawing.LINE, 1), drawing.colour_bar(limit, 300)]))
    body = drawing.beside(columns)
    heading = drawing.lines(_title(found), body.shape[1])
    drawing.write_png(path, drawing.margin(drawing.below([heading, body])))


def _large(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    return drawing.resize(image, _SIDE, max(1, round(_SIDE * width / height)))


def _column(name: str, pictures: list[np.ndarray]) -> np.ndarray:
    heading = drawing.lines([name], pictures[0].shape[1])
    return drawing.below([heading, *pictures])


def _number(frame: int, height: int) -> np.ndarray:
    label = drawing.lines([f"frame {frame}"], drawing.text_width("frame 000") + 6)
    return np.pad(label, ((0, height - len(label)), (0, 0), (0, 0)), constant_values=255)


def _title(found: OcclusionMap) -> list[str]:
    frames, height, width = found.places.size
    kind = "its label" if found.is_label else "not its label"
    if (found.clip["labels"] < 0).all():
        kind = "no label is known"
    texts = [
        name_of(found.clip),
        f"{found.class_name} ({kind}): probability {found.probability:.3f}",
    ]
    if found.predicted != found.class_name:
        texts.append(f"likeliest is {found.predicted}: {found.predicted_probability:.3f}")
    texts.append(
        f"hidden in {' and '.join(found.hiding.inputs)}: {height} x {width}, frames: {frames}"
    )
    return [*texts, "red: then the probability falls; blue: it rises"]
