"""Pictures made of frames, maps and words: RGB, uint8. Text is of ASCII characters alone."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from yt8m.interpretation.first_clips import write_bytes

LINE = 20
GAP = 6
_PAPER, _INK = 255, (40, 40, 40)
_FONT, _SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.45
_BAR, _BAR_STEPS = 16, 201
_ALPHA = 0.75
_RED, _BLUE = np.array([214.0, 39.0, 40.0]), np.array([31.0, 90.0, 220.0])
# From a displacement to a colour: x and y turn about grey, a hue for each direction.
_HUES = np.array([[1.0, 0.0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])


def paper(height: int, width: int) -> np.ndarray:
    """A white picture."""
    return np.full((height, width, 3), _PAPER, np.uint8)


def text_width(text: str) -> int:
    """How many pixels a text takes."""
    return cv2.getTextSize(text, _FONT, _SCALE, 1)[0][0]


def fit(text: str, width: int) -> str:
    """The text, its middle left out where it is wider than `width` pixels."""
    text = text.encode("ascii", "replace").decode()
    short, kept = text, len(text)
    while kept > 2 and text_width(short) > width:
        kept -= 1
        short = f"{text[: kept // 2]}...{text[len(text) - (kept - kept // 2) :]}"
    return short


def lines(texts: Sequence[str], width: int) -> np.ndarray:
    """A picture of lines of text, `width` wide."""
    picture = paper(LINE * len(texts), width)
    for number, text in enumerate(texts):
        place = (2, LINE * (number + 1) - 6)
        cv2.putText(picture, fit(text, width - 4), place, _FONT, _SCALE, _INK, 1, cv2.LINE_AA)
    return picture


def resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The picture in another size."""
    smaller = height * width < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=method)


def put_in(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The picture as large as a box lets it be, in the middle of the box."""
    scale = min(height / image.shape[0], width / image.shape[1])
    inner = [max(1, round(side * scale)) for side in image.shape[:2]]
    box = paper(height, width)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    box[top : top + inner[0], left : left + inner[1]] = resize(image, *inner)
    return box


def beside(pictures: Sequence[np.ndarray], gap: int = GAP) -> np.ndarray:
    """Pictures from left to right, their upper edges at one height."""
    return np.swapaxes(below([np.swapaxes(picture, 0, 1) for picture in pictures], gap), 0, 1)


def below(pictures: Sequence[np.ndarray], gap: int = GAP) -> np.ndarray:
    """Pictures one under the other, their left edges in a line."""
    height = sum(len(picture) for picture in pictures) + gap * (len(pictures) - 1)
    whole = paper(height, max(picture.shape[1] for picture in pictures))
    top = 0
    for picture in pictures:
        whole[top : top + len(picture), : picture.shape[1]] = picture
        top += len(picture) + gap
    return whole


def margin(picture: np.ndarray, width: int = 2 * GAP) -> np.ndarray:
    """The picture with white around it."""
    return np.pad(picture, ((width, width), (width, width), (0, 0)), constant_values=_PAPER)


def outline(
    picture: np.ndarray, top: float, left: float, bottom: float, right: float
) -> np.ndarray:
    """The picture with a frame around a part, in pixels of the picture."""
    framed = np.ascontiguousarray(picture)
    first = (max(0, round(left)), max(0, round(top)))
    last = (min(framed.shape[1], round(right)) - 1, min(framed.shape[0], round(bottom)) - 1)
    cv2.rectangle(framed, first, last, (255, 255, 255), 3)
    return cv2.rectangle(framed, first, last, (220, 30, 30), 1)


def image_of(frame: np.ndarray, limit: float = 1.0) -> np.ndarray:
    """The values of an input as a picture, grey for 0.

    Args:
        frame: (height, width, channels) float: pixels, or the x and y of one displacement field.
        limit: the value that has full colour.
    """
    scaled = np.clip(frame / limit, -1, 1)
    if frame.shape[-1] == 2:
        scaled = np.clip(scaled @ _HUES.T, -1, 1)
    return np.round(127.5 * (scaled + 1)).astype(np.uint8)


def heat(image: np.ndarray, values: np.ndarray, limit: float) -> np.ndarray:
    """A picture in shades of grey with a map over it: red above 0, blue below.

    Args:
        image: (height, width, 3).
        values: (height, width), the map.
        limit: the value that has full colour.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)[..., None]
    share = np.clip(values / limit, -1, 1)[..., None]
    colour = np.where(share > 0, _RED, _BLUE)
    alpha = _ALPHA * np.abs(share)
    return np.round((1 - alpha) * grey + alpha * colour).astype(np.uint8)


def colour_bar(limit: float, height: int) -> np.ndarray:
    """The colours of `heat` from `limit` at the top to its negative, with values beside them."""
    values = np.linspace(limit, -limit, _BAR_STEPS)[:, None]
    bar = heat(np.full((_BAR_STEPS, 1, 3), 200, np.uint8), values, limit)
    bar = cv2.resize(bar, (_BAR, height - LINE), interpolation=cv2.INTER_LINEAR)
    labels = [f"{value:+.2g}" if value else "0" for value in (limit, limit / 2, 0)]
    labels += [f"-{label[1:]}" for label in reversed(labels[:2])]
    picture = paper(height, _BAR + GAP + max(map(text_width, labels)) + 2)
    picture[LINE // 2 : LINE // 2 + len(bar), :_BAR] = bar
    for number, label in enumerate(labels):
        middle = LINE // 2 + round(number / (len(labels) - 1) * len(bar))
        place = (_BAR + GAP, middle + 5)
        cv2.putText(picture, label, place, _FONT, _SCALE, _INK, 1, cv2.LINE_AA)
    return picture


def write_png(path: str, picture: np.ndarray) -> None:
    """Writes a picture; the file appears when it is whole.

    Raises:
        UserError: it cannot be written.
    """
    _, content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    write_bytes(path, content.tobytes())
