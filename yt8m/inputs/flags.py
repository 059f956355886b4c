"""The flags over data that several jobs have, and what they say. No other part reads flags."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from absl import flags

from yt8m.base import define
from yt8m.base.errors import UserError
from yt8m.data.read_log import FAIL, SKIP
from yt8m.data.schema import FRAME, Schema
from yt8m.data.video.clip_schema import CLIP, ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.inputs.clip_settings import ClipSettings

_Settings = TypeVar("_Settings")
_BATCH_SIZE = 1024
_BATCH_SIZE_OF_CLIPS = 16
# Flags of `define_video_flags`, which have a meaning for raw video alone.
OF_VIDEO = ("num_clips", "num_crops", "cache_dir", "num_workers")


def define_data_flags(batch_size: int | None) -> None:
    """Defines the flags of every job that reads examples.

    Args:
        batch_size: the default; None where it depends on what is read, see `batch_size`.
    """
    text = "Examples a batch."
    if batch_size is None:
        text = f"Examples a batch; by default {_BATCH_SIZE}, of raw video {_BATCH_SIZE_OF_CLIPS}."
    define.integer("batch_size", text, batch_size, at_least=1)
    define.choice(
        "on_corrupt_shard",
        "What a damaged shard or video does: skip leaves out the damaged records or the video, "
        "warns and counts them; fail ends the job.",
        SKIP,
        [SKIP, FAIL],
    )


def define_video_flags() -> None:
    """Defines the flags of every job that scores raw video."""
    define.integer("num_clips", "Clips of a raw video that are scored.", 1, at_least=1)
    define.integer(
        "num_crops",
        "Crops of a clip that are scored: 1, 3, 5, or 10 with mirror images.",
        1,
        at_least=1,
    )
    define_decoding_flags()


def define_decoding_flags() -> None:
    """Defines the flags of everything that reads raw video."""
    define.path(
        "cache_dir",
        "Folder to keep in what was seen of raw videos, and their optical flow; by default beside "
        "the manifest.",
        "",
    )
    define.integer(
        "num_workers",
        "Processes that decode raw video; by default one a core, 0 for none.",
        at_least=0,
    )


def define_clip_flags() -> None:
    """Defines the flags that say what a clip of raw video is, to a training."""
    define.spec(
        "clips",
        "How clips are cut out of raw video, such as clips(frames=16, stride=2, resize=128, "
        "crop=112).",
        "clips",
        Clips.from_spec,
    )
    define.spec(
        "flow",
        "How optical flow is shown to a model that takes it, such as flow(length=10, "
        "method='tvl1').",
        "flow",
        Flow.from_spec,
    )


def batch_size(of_clips: bool) -> int:
    """What --batch_size says, or the default for what is read.

    Args:
        of_clips: whether raw video is read, of which an example is some megabytes.
    """
    given = flags.FLAGS.batch_size
    if given is not None:
        return given
    return _BATCH_SIZE_OF_CLIPS if of_clips else _BATCH_SIZE


def clip_settings() -> ClipSettings:
    """What the flags of `define_video_flags`, or of `define_decoding_flags` alone, say."""
    values = flags.FLAGS
    views = {name: values[name].value for name in ("num_clips", "num_crops") if name in values}
    return ClipSettings(
        cache_dir=values.cache_dir,
        num_workers=values.num_workers,
        on_corrupt=values.on_corrupt_shard,
        **views,
    )


def preprocessing(schema: Schema | ClipSchema) -> dict[str, Any]:
    """What --normalize and --max_frames say of the examples; nothing of raw video.

    Raises:
        UserError: --max_frames is given for records that hold no frames.
    """
    if schema.kind == CLIP:
        return {}
    values = {"normalize": flags.FLAGS.normalize}
    if schema.kind == FRAME:
        return values | {"max_frames": flags.FLAGS.max_frames}
    refuse(["max_frames"], "for video-level records, which hold no frames")
    return values


def fill(settings: type[_Settings], **values: Any) -> _Settings:
    """Settings, each field from the flag of its name.

    Args:
        settings: a dataclass.
        **values: of the fields that no flag gives as they are.
    """
    for field in dataclasses.fields(settings):
        if field.name not in values:
            value = flags.FLAGS[field.name].value
            values[field.name] = tuple(value) if isinstance(value, list) else value
    return settings(**values)


def integers(name: str) -> tuple[int, ...]:
    """The values of a flag of `define.strings` as integers.

    Raises:
        UserError: one is no integer.
    """
    values = flags.FLAGS[name].value
    try:
        return tuple(int(value) for value in values)
    except ValueError:
        raise UserError(f"--{name} takes integers. Received: {','.join(values)}.") from None


def numbers(name: str) -> tuple[float, ...]:
    """The values of a flag of `define.strings` as numbers.

    Raises:
        UserError: one is no finite number.
    """
    values = flags.FLAGS[name].value
    try:
        found = tuple(float(value) for value in values)
    except ValueError:
        found = (math.nan,)
    if not all(map(math.isfinite, found)):
        raise UserError(f"--{name} takes numbers. Received: {','.join(values)}.")
    return found


def parse_weights(texts: Sequence[str] | None, paths: Sequence[str]) -> np.ndarray:
    """The weight of each file, 1 for the largest; equal ones where none are given.

    Args:
        texts: numbers, of which only the ratios matter; None where no flag is given.
        paths: the files.

    Raises:
        UserError: they are not one number a file, not finite, negative, or all 0.
    """
    if texts is None:
        return np.ones(len(paths))
    received = ",".join(texts)
    try:
        weights = [float(text) for text in texts]
    except ValueError:
        raise UserError(f"--weights takes numbers. Received: {received}.") from None
    if len(weights) != len(paths):
        raise UserError(
            f"--weights needs one number a file. Received: {len(weights)} ({received}) for "
            f"{len(paths)} files ({', '.join(paths)})."
        )
    if not all(math.isfinite(weight) and weight >= 0 for weight in weights):
        raise UserError(f"--weights must be finite and not negative. Received: {received}.")
    if not any(weights):
        raise UserError(f"--weights must not all be 0. Received: {received}.")
    return np.array(weights) / max(weights)


def refuse(names: Iterable[str], reason: str) -> None:
    """Fails where a flag is given that would do nothing.

    Args:
        names: flags that must be left out.
        reason: what they do not go with, such as `with --segment_labels`.

    Raises:
        UserError: one is given.
    """
    given = [f"--{name}" for name in names if flags.FLAGS[name].present]
    if given:
        raise UserError(f"{given[0]} has no meaning {reason}. Leave it out.")


def refuse_for_run(takes_clips: bool) -> None:
    """Fails where a flag is given that means nothing to a run of that kind.

    Args:
        takes_clips: whether the run is of raw video; else it takes shards.

    Raises:
        UserError: one is given.
    """
    if takes_clips:
        refuse(["segment_labels"], "for a run of raw video")
    else:
        refuse(OF_VIDEO, "for a run that takes shards; it is for raw video")


def given_values() -> dict[str, Any]:
    """Every flag of this job by name, for the record."""
    own = flags.FLAGS.get_key_flags_for_module(sys.argv[0])
    return {
        flag.name: value if isinstance(value, (int, float, list, type(None))) else str(value)
        for flag in sorted(own, key=lambda flag: flag.name)
        for value in [flag.value]
    }
