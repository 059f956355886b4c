"""Arrays of videos to records: all of one layout, which the first video shows."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from yt8m.base.errors import UserError
from yt8m.conversion.byte_losses import ByteLosses
from yt8m.conversion.feature_sources import Example
from yt8m.data import record_writing
from yt8m.data.schema import FRAME, VIDEO, Feature, Schema
from yt8m.data.synthetic import quantize

_UINT8, _FLOAT32 = "uint8", "float32"
# Names that batches and models use for something else.
_TAKEN = ("id", "ids", "labels", "label_scores", "mask", "num_frames", "start_times", "video_id")


@dataclasses.dataclass(frozen=True)
class _Layout:
    """What is equal of the arrays of one name: the axes, the values of a vector, their type."""

    axes: int
    size: int
    dtype: str

    def __str__(self) -> str:
        frames = "frames of " if self.axes == 2 else ""
        return f"{frames}{self.size} values of {self.dtype}"


class RecordMaker:
    """Makes records of videos, all of the layout of the first.

    Where a video has arrays of frames, (frames, size), its record is frame-level, and arrays of one
    vector, (size,), stand beside the frames. Otherwise it is video-level.

    Args:
        first: the first video.
        to_bytes: whether the floats of frames become YouTube-8M's bytes.

    Attributes:
        schema: of the records.
        losses: what became bytes, and what is lost of it.

    Raises:
        UserError: no record can hold such arrays.
    """

    def __init__(self, first: Example, to_bytes: bool = False):
        self._first = first.where
        self._layouts = {name: _layout(name, a, first.where) for name, a in first.arrays.items()}
        if not self._layouts:
            raise UserError(f"{first.where} holds no array. Give each video its features.")
        of_frames = [name for name, layout in self._layouts.items() if layout.axes == 2]
        self._to_bytes = [n for n in of_frames if to_bytes and self._layouts[n].dtype != _UINT8]
        main = of_frames or list(self._layouts)
        self.schema = Schema(
            FRAME if of_frames else VIDEO,
            tuple(self._feature(name) for name in main),
            video_features=tuple(self._feature(n) for n in self._layouts if n not in main),
        )
        for feature in self.schema.features:
            _check_readable(feature, self.schema.kind, first.where)
        if to_bytes and not self._to_bytes:
            raise UserError(
                f"There is nothing to make bytes of: the features are {self.schema}. Leave out "
                "--quantize, which is for frames of floats."
            )
        self.losses = ByteLosses(self._to_bytes)

    def make(self, example: Example, labels: Sequence[int]) -> bytes:
        """Makes the record of a video.

        Raises:
            UserError: it has another layout, or holds what is no number.
        """
        self._check_layout(example)
        values = {name: self._stored(name, a, example) for name, a in example.arrays.items()}
        own = {feature.key: values[feature.key] for feature in self.schema.features}
        if self.schema.kind == VIDEO:
            return record_writing.video_record(example.id, labels, own)
        lengths = {name: len(frames) for name, frames in own.items()}
        if len(set(lengths.values())) > 1:
            received = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise UserError(
                f"{example.where} has features with different numbers of frames: {received}. They "
                "must agree."
            )
        if not min(lengths.values()):
            raise UserError(f"{example.where} has no frame. Remove it.")
        beside = {feature.key: values[feature.key] for feature in self.schema.video_features}
        return record_writing.frame_record(example.id, labels, own, beside)

    def _feature(self, name: str) -> Feature:
        layout = self._layouts[name]
        return Feature(name, layout.size, _UINT8 if name in self._to_bytes else layout.dtype, name)

    def _check_layout(self, example: Example) -> None:
        for name in {**self._layouts, **example.arrays}:
            if name not in example.arrays or name not in self._layouts:
                lacking, other = example.where, self._first
                if name not in self._layouts:
                    lacking, other = other, lacking
                raise UserError(
                    f"{lacking} has no {name[:80]}, but {other} has. Give all videos the same "
                    "features."
                )
            found, expected = (
                _layout(name, example.arrays[name], example.where),
                self._layouts[name],
            )
            if found != expected:
                raise UserError(
                    f"{example.where} has {found} under {name}, but {self._first} has {expected}. "
                    "Give all videos the same features."
                )

    def _stored(self, name: str, array: np.ndarray, example: Example) -> np.ndarray:
        """An array as records hold it."""
        if array.dtype == np.uint8:
            return array
        with np.errstate(over="ignore"):  # What is too large becomes infinity, which is refused.
            values = array.astype(np.float32)
        if not np.isfinite(values).all():
            place = ""
            if values.ndim == 2:
                rows = np.flatnonzero(~np.isfinite(values).all(axis=1))
                place = f" in frame {rows[0]}"
            raise UserError(
                f"{example.where} has NaN, infinity or a number too large for float32{place} of "
                f"{name}. Mend or remove it."
            )
        if name not in self._to_bytes:
            return values
        self.losses.count(name, values)
        return quantize(values)


def _layout(name: str, array: np.ndarray, where: str) -> _Layout:
    """The layout of an array.

    Raises:
        UserError: its name, its axes or its type cannot stand in a record.
    """
    if not re.fullmatch(r"[A-Za-z]\w{0,59}", name, re.ASCII) or name in _TAKEN:
        raise UserError(
            f"{where} has a feature called {name[:80]!r}. Its name must be of letters, digits and "
            f"_, begin with a letter, and be none of {', '.join(_TAKEN)}."
        )
    if array.ndim not in (1, 2) or not array.shape[-1]:
        raise UserError(
            f"{where} has {name} of the shape {array.shape}. A feature is one vector, (size,), or "
            "a vector a frame, (frames, size)."
        )
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise UserError(
            f"{where} has {name} of {array.dtype}. Features are floats, or uint8 for YouTube-8M's "
            "bytes, which stand for values in [-2, 2]. Save it as float32."
        )
    return _Layout(array.ndim, array.shape[-1], _UINT8 if array.dtype == np.uint8 else _FLOAT32)


def _check_readable(feature: Feature, kind: str, where: str) -> None:
    """Fails for a feature that readers would not find in a record."""
    if feature.size < 2:
        raise UserError(
            f"{where} has one value of {feature.name}. Feature vectors have two at least: join "
            "single values to one vector."
        )
    if kind == VIDEO and feature.dtype == _UINT8:
        raise UserError(
            f"{where} has {feature.name} of uint8 for the whole video. Bytes are for frames; save "
            "the values that they stand for as float32."
        )
