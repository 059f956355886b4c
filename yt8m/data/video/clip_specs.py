"""How clips are cut out of videos, and how optical flow is computed: parsed from specs.

Needs no TensorFlow: a run keeps these in its run.json.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from typing import Any, TypeVar

from yt8m.base import spec_language
from yt8m.base.errors import UserError

SAMPLING = ("dense", "uniform", "keyframes", "shots")
SHORT = ("loop", "repeat", "mask")
AUGMENT = ("crop", "scale", "flip")
METHODS = ("dis", "tvl1", "farneback")
NUM_CROPS = (1, 3, 5, 10)  # Ten are five and their mirror images.
_MOST_FRAMES_PER_SECOND = 1000
STACKING = ("stack", "trajectory")
_Settings = TypeVar("_Settings", bound="_Checked")


def check_num_crops(count: int) -> None:
    """Fails where there are no such crops of a clip.

    Raises:
        UserError: says which there are.
    """
    if count not in NUM_CROPS:
        valid = ", ".join(map(str, NUM_CROPS))
        raise UserError(f"--num_crops must be one of {valid}. Received: {count}.")


class _Checked:
    """What both settings share: a check of every value, and specs."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            self._check(field.name, getattr(self, field.name))

    def _check(self, name: str, value: Any) -> None:
        hint = typing.get_type_hints(type(self))[name]
        if not spec_language.fits(value, hint):
            raise ValueError(
                f"{name} must be {spec_language.hint_name(hint)}. Received: {name}={value!r}."
            )

    def _check_choice(self, name: str, valid: tuple[str, ...]) -> None:
        value = getattr(self, name)
        for choice in value if isinstance(value, tuple) else (value,):
            if choice not in valid:
                raise ValueError(
                    f"{name} must be of {', '.join(valid)}. Received: {name}={value!r}."
                )

    def _check_positive(self, *names: str) -> None:
        for name in names:
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name} must be positive. Received: {name}={getattr(self, name)}."
                )

    @classmethod
    def from_spec(cls: type[_Settings], text: str) -> _Settings:
        """Parses a spec such as `clips(frames=16)` or `flow(length=10)`.

        Raises:
            ValueError: the text is no such spec, or a value is out of its range.
        """
        call, name = spec_language.parse(text), cls.__name__.lower()
        if call.name != name:
            raise ValueError(f"This takes {name} or {name}(key=value, ...). Received: {text!r}.")
        known = {field.name: field for field in dataclasses.fields(cls)}
        spec_language.check_names(f"setting of {name}", call.arguments, known)
        return cls(**call.arguments)

    @classmethod
    def from_json(cls: type[_Settings], data: dict[str, Any]) -> _Settings:
        """The inverse of `to_json`."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})

    def to_json(self) -> dict[str, Any]:
        """These settings as a plain dictionary."""
        return dataclasses.asdict(self)

    def __str__(self) -> str:
        return str(spec_language.Call(type(self).__name__.lower(), self.to_json()))


@dataclasses.dataclass(frozen=True)
class Clips(_Checked):
    """How clips are cut out of a video: a clip is what a model sees at once.

    Attributes:
        frames: frames in a clip (T).
        stride: frames of the video from one frame of a clip to the next; of `dense` sampling.
        sampling: `dense` takes frames that follow each other at the stride, from a random start
            in training and from evenly spread ones in evaluation; `uniform` cuts the whole video
            into equal parts and takes a frame of each; `keyframes` takes them from the I-frames of
            the file, and `shots` from the shots, found by cuts in brightness and colour.
        short: what fills a clip where the video has too few frames: `loop` begins again, `repeat`
            repeats the last one, `mask` pads with frames that the model's mask leaves out.
        resize: the shorter side of a frame in pixels, or (height, width).
        crop: (height, width) of the part that the model sees, or one number for both.
        augment: what training draws anew for each clip, the same for all its frames: `crop` a
            place, `scale` the size of what is cut out (1, 0.875, 0.75 or 0.66 of the shorter
            side, for height and width by themselves but no more than a step apart), `flip` left
            and right. Evaluation takes the centre, or the views it is told.
        frames_per_second: how many frames of each second are seen, whatever the video's own rate;
            0 takes the frames that the file has. A frame then is what is on screen at 0, 1, 2, ...
            such parts of a second: of `dense` and `uniform` sampling of files.
    """

    frames: int = 16
    stride: int = 1
    sampling: str = "dense"
    short: str = "loop"
    resize: int | tuple[int, ...] = 128
    crop: int | tuple[int, ...] = 112
    augment: tuple[str, ...] = ("crop", "flip")
    frames_per_second: float = 0.0

    def __post_init__(self):
        super().__post_init__()
        self._check_positive("frames", "stride")
        self._check_choice("sampling", SAMPLING)
        self._check_choice("short", SHORT)
        self._check_choice("augment", AUGMENT)
        for name in ("resize", "crop"):
            value = getattr(self, name)
            sides = value if isinstance(value, tuple) else (value, value)
            if len(sides) != 2 or min(sides) < 1:
                raise ValueError(
                    f"{name} must be a positive number of pixels, or (height, width). "
                    f"Received: {name}={value!r}."
                )
        if self.stride != 1 and self.sampling != "dense":
            raise ValueError(
                "stride is of dense sampling only. "
                f"Received: stride={self.stride}, sampling={self.sampling!r}."
            )
        if not 0 <= self.frames_per_second <= _MOST_FRAMES_PER_SECOND:
            raise ValueError(
                f"frames_per_second must be from 0 to {_MOST_FRAMES_PER_SECOND}. "
                f"Received: frames_per_second={self.frames_per_second}."
            )
        if self.frames_per_second and self.sampling not in ("dense", "uniform"):
            raise ValueError(
                "frames_per_second is of dense and uniform sampling only. Received: "
                f"frames_per_second={self.frames_per_second}, sampling={self.sampling!r}."
            )
        least = self.resize if isinstance(self.resize, tuple) else (self.resize, self.resize)
        if any(part > whole for part, whole in zip(self.crop_size, least, strict=True)):
            raise ValueError(
                "crop must be no larger than resize. "
                f"Received: crop={self.crop!r}, resize={self.resize!r}."
            )

    @property
    def crop_size(self) -> tuple[int, int]:
        """(height, width) of what a model sees."""
        return self.crop if isinstance(self.crop, tuple) else (self.crop, self.crop)

    def frame_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) that a frame is resized to, before it is cropped."""
        if isinstance(self.resize, tuple):
            return self.resize
        scale = self.resize / min(height, width)
        return max(self.resize, round(height * scale)), max(self.resize, round(width * scale))


@dataclasses.dataclass(frozen=True)
class Flow(_Checked):
    """How optical flow is computed and shown.

    Attributes:
        method: `dis` (dense inverse search, fast), `tvl1` (the papers', a hundred times slower)
            or `farneback`.
        length: displacement fields stacked at each frame of a clip (L).
        stacking: `stack` takes the fields at the same place of L frames that follow each other,
            `trajectory` follows each point along its own flow.
        bidirectional: half of the fields run backward in time, from the frame.
        subtract_mean: the mean of each field is taken away, which is a camera's own motion.
        channels: 2, x and y; or 3, with a third of zeros, so that an image network can begin with
            its weights (Ng et al.), for `length=1`.
        bound: displacements are cut to this many pixels, and kept in a byte.
    """

    method: str = "dis"
    length: int = 1
    stacking: str = "stack"
    bidirectional: bool = False
    subtract_mean: bool = False
    channels: int = 2
    bound: float = 20.0

    def __post_init__(self):
        super().__post_init__()
        self._check_choice("method", METHODS)
        self._check_choice("stacking", STACKING)
        self._check_positive("length")
        if not (self.bound > 0 and math.isfinite(self.bound)):
            raise ValueError(f"bound must be positive. Received: bound={self.bound}.")
        if self.channels not in (2, 3) or (self.channels == 3 and self.length != 1):
            raise ValueError(
                "channels must be 2, or 3 with length=1. "
                f"Received: channels={self.channels}, length={self.length}."
            )
        if self.bidirectional and self.length % 2:
            raise ValueError(
                "bidirectional needs an even length, half of it each way. "
                f"Received: length={self.length}."
            )

    @property
    def num_channels(self) -> int:
        """Channels of the model's input: 2 a field, or 3."""
        return 3 if self.channels == 3 else 2 * self.length
