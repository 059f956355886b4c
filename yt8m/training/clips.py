"""What a training learns from and is judged by: raw video. Needs the extra `video`."""

from __future__ import annotations

import dataclasses
import hashlib

import keras
import numpy as np

from yt8m.base.errors import UserError
from yt8m.base.spec_language import Call, Spec
from yt8m.data.video.clip_reader import ClipReader
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.data.video.sources import listing, pattern
from yt8m.data.video.sources.listing import Listing
from yt8m.data.video.video_log import VideoLog
from yt8m.evaluation.clips import ClipExamples
from yt8m.inputs.clip_settings import ClipSettings
from yt8m.inputs.clips import ClipInput, number_of_workers
from yt8m.modeling import keras_model, losses
from yt8m.training.training_data import Judge, TrainingData

_INPUTS = ("pixels", "flow")


@dataclasses.dataclass(frozen=True)
class VideoSettings:
    """What a training on raw video reads, and how.

    Attributes:
        train_data_pattern: the videos to learn from.
        eval_data_pattern: the videos to be judged by; empty for none.
        batch_size: clips a batch.
        reading: how videos are decoded, and in which views they are judged.
        clips: how clips are cut.
        flow: how optical flow is shown to a model that takes it.
    """

    train_data_pattern: str
    eval_data_pattern: str
    batch_size: int
    reading: ClipSettings
    clips: Clips
    flow: Flow


def inputs_of(model: Spec, where: str) -> tuple[str, ...]:
    """What a model takes of a video: pixels, flow or both.

    Args:
        model: its spec.
        where: the pattern that names the videos, for the error.

    Raises:
        UserError: the model takes neither.
    """
    inputs = tuple(name for name in model.inputs if name in _INPUTS)
    if inputs:
        return inputs
    remedy = f"cnn(temporal={model.name})" if "frames" in model.inputs else "c3d"
    raise UserError(
        f"The model {model.name} takes {' and '.join(model.inputs)}, but {where} names raw video. "
        f"Use a model of pixels, such as {remedy}, or turn the videos into shards with `yt8m "
        "extract_features`."
    )


def open_data(settings: VideoSettings, model: Spec, loss: Call, folder: str) -> TrainingData:
    """Opens the videos that a training reads, and looks at every one of them.

    What can be wrong without a look at a video is told first: with optical flow that takes hours.

    Args:
        settings: what to read.
        model: the spec of the model.
        loss: the loss trained with, see `losses.from_spec`.
        folder: where evaluations write their metrics.

    Raises:
        UserError: a video or a manifest does not fit, or the model takes no raw video.
    """
    log, judged_log = (VideoLog(settings.reading.on_corrupt) for _ in range(2))
    workers = number_of_workers(settings.reading)
    listed = listing.read(_parts(settings.train_data_pattern), log, workers)
    source = ClipInput(_schema(settings, model, listed), settings.batch_size, settings.reading)
    judged = None
    if settings.eval_data_pattern:
        judged = listing.read(_parts(settings.eval_data_pattern), judged_log, workers)
        listed.check_apart(judged)
    task_classes = _task_classes(model, loss, source.schema)
    for videos in filter(None, (listed, judged)):
        listing.check(videos, source.schema)
    _check_model(model, source.schema)
    reader = source.reader(listed, log)
    reader.check_fills_a_batch()
    examples = ClipExamples(source)
    judge = None
    if judged is not None:
        judged_reader = source.reader(judged, judged_log)
        examples.check_labels(judged_reader)
        kept = losses.for_evaluation(loss)
        names = source.schema.classes
        judge = Judge(examples, judged_reader, settings.eval_data_pattern, kept, folder, names)
    return TrainingData(
        examples,
        dataclasses.replace(reader, drop_remainder=True),
        judge,
        task_classes=task_classes,
        recorded={"videos": _fingerprint(reader)},
    )


def _parts(text: str) -> list[pattern.Part]:
    """What a pattern of raw video names.

    Raises:
        UserError: it names shards.
    """
    parts = pattern.parse(text)
    if parts is None:
        raise UserError(
            f"--train_data_pattern names raw video, so --eval_data_pattern must. Received: {text}."
        )
    return parts


def _schema(settings: VideoSettings, model: Spec, listed: Listing) -> ClipSchema:
    """What a clip is: what the model takes of a video, and the names of the labels."""
    inputs = inputs_of(model, settings.train_data_pattern)
    if not listed.classes:
        raise UserError(f"The videos of {settings.train_data_pattern} have no labels to learn.")
    for task in listed.tasks:
        if not any(name.startswith(f"{task}/") for name in listed.classes):
            raise UserError(
                f"The videos of the task {task} have no labels to learn. Label them, or leave "
                f"{task}= out of --train_data_pattern."
            )
    flow = settings.flow if "flow" in inputs else None
    return ClipSchema(inputs, settings.clips, flow, listed.classes, listed.tasks)


def _check_model(model: Spec, schema: ClipSchema) -> None:
    """Fails where the model cannot be built; nothing is left of it."""
    keras_model.build(model, schema, len(schema.classes))
    keras.utils.clear_session()


def _task_classes(model: Spec, loss: Call, schema: ClipSchema) -> np.ndarray | None:
    """The classes of each task, for the loss; None without tasks."""
    if not schema.tasks:
        return None
    sizes = tuple(end - start for start, end in schema.task_ranges)
    if sizes not in _task_sizes(model):
        raise UserError(
            f"The tasks {', '.join(schema.tasks)} need a classifier each. Give the model "
            f"head=tasks(sizes={sizes}). Received: --model={model}."
        )
    if losses.compares_within_task(losses.get(loss.name, **loss.arguments)):
        return schema.task_classes
    raise UserError(
        "Several tasks need a loss of each class by itself, such as cross_entropy, or "
        f"softmax(scores='log_probabilities'). Received: --loss={loss}."
    )


def _task_sizes(spec: Spec) -> set[tuple[int, ...]]:
    """The sizes of the tasks that the models of a spec have classifiers for."""
    found = {spec.settings["sizes"]} if spec.name == "tasks" else set()
    for value in spec.settings.values():
        for inner in value if isinstance(value, tuple) else (value,):
            found |= _task_sizes(inner) if isinstance(inner, Spec) else set()
    return found


def _fingerprint(reader: ClipReader) -> str:
    """Which videos there are, with which labels and in which order: what decides the batches."""
    known = repr([(item.id, item.labels) for item in reader.items]).encode(errors="surrogateescape")
    return f"{len(reader.items)} videos, {hashlib.sha256(known).hexdigest()[:16]}"
