"""What a training learns from and is judged by, from the flags of `yt8m.train`: raw video."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable

import keras

from yt8m.base import jobs
from yt8m.base.errors import UserError
from yt8m.base.spec_language import Spec
from yt8m.data.video.clip_reader import ClipReader
from yt8m.data.video.schema import ClipSchema
from yt8m.data.video.sources import listing as video_listing
from yt8m.data.video.sources import pattern
from yt8m.data.video.video_log import VideoLog
from yt8m.evaluation import clips as clip_evaluation
from yt8m.inputs import clips as clip_inputs
from yt8m.modeling import keras_model, losses
from yt8m.training.shards import TrainingData, keep_results

_INPUTS = ("pixels", "flow")
# Flags that have a meaning for shards alone.
_OF_SHARDS = [
    "feature_names",
    "feature_sizes",
    "max_frames",
    "normalize",
    "shuffle_buffer",
    "segment_labels",
    "segment_label_ids_file",
    "teacher",
    "teacher_dir",
    "distillation",
    "num_classes",
]


def open_videos(args, parts: list[pattern.Part]) -> TrainingData:
    """Opens the videos that the flags name, and looks at every one of them.

    What can be wrong without a look at a video is told first: with optical flow that takes hours.

    Args:
        args: the flags of `yt8m.train`.
        parts: what --train_data_pattern names.

    Raises:
        UserError: a video or a manifest does not fit, the model takes no raw video, or flags do
            not go together.
    """
    jobs.refuse_flags(_OF_SHARDS, "with raw video; it is for shards")
    settings = clip_inputs.Settings.from_flags()
    log = VideoLog(settings.on_corrupt)
    listing = video_listing.read(parts, log, settings.num_workers)
    schema = _schema(args, listing)
    judged_log = VideoLog(settings.on_corrupt)
    judged = _listing_to_judge_by(args, listing, settings, judged_log)
    task_classes = _task_classes(args, schema)
    for videos in filter(None, (listing, judged)):
        video_listing.check(videos, schema)
    _check_model(args.model, schema)
    reader = clip_inputs.open_reader(listing, schema, args.batch_size, settings, log)
    _check_batch(args.batch_size, len(reader.items))
    reader = dataclasses.replace(reader, drop_remainder=True)
    return TrainingData(
        schema,
        len(schema.classes),
        reader,
        lambda: clip_evaluation.check_labels(reader),
        judged and _evaluator(args, schema, judged, settings, judged_log),
        "video_hit_at_1",
        _watched(args),
        task_classes=task_classes,
        fingerprint=_fingerprint(reader),
    )


def _check_batch(batch_size: int, num_videos: int) -> None:
    if batch_size > num_videos:
        raise UserError(
            f"{num_videos} training videos do not fill one batch of {batch_size}. "
            "Lower --batch_size."
        )


def _check_model(model: Spec, schema: ClipSchema) -> None:
    """Fails where the model cannot be built; nothing is left of it."""
    keras_model.build(model, schema, len(schema.classes))
    keras.utils.clear_session()


def _watched(args) -> str:
    """What the models are judged by: other views are other data."""
    if args.num_clips == args.num_crops == 1:
        return args.eval_data_pattern
    return f"{args.eval_data_pattern} in {args.num_clips} clips, {args.num_crops} crops"


def _fingerprint(reader: ClipReader) -> str:
    """Which videos there are, with which labels and in which order: what decides the batches."""
    known = repr([(item.id, item.labels) for item in reader.items]).encode(errors="surrogateescape")
    return f"{len(reader.items)} videos, {hashlib.sha256(known).hexdigest()[:16]}"


def _schema(args, listing: video_listing.Listing) -> ClipSchema:
    """What a clip is: what the model takes of a video, and the names of the labels."""
    inputs = _inputs(args.model, args.train_data_pattern)
    if "flow" not in inputs:
        jobs.refuse_flags(["flow"], f"for {args.model.name}, which looks at pixels alone")
    if not listing.classes:
        raise UserError(f"The videos of {args.train_data_pattern} have no labels to learn.")
    for task in listing.tasks:
        if not any(name.startswith(f"{task}/") for name in listing.classes):
            raise UserError(
                f"The videos of the task {task} have no labels to learn. Label them, or leave "
                f"{task}= out of --train_data_pattern."
            )
    flow = args.flow if "flow" in inputs else None
    return ClipSchema(inputs, args.clips, flow, listing.classes, listing.tasks)


def _inputs(model: Spec, where: str) -> tuple[str, ...]:
    inputs = tuple(name for name in model.inputs if name in _INPUTS)
    if inputs:
        return inputs
    remedy = f"cnn(temporal={model.name})" if "frames" in model.inputs else "c3d"
    raise UserError(
        f"The model {model.name} takes {' and '.join(model.inputs)}, but {where} names raw video. "
        f"Use a model of pixels, such as {remedy}, or turn the videos into shards with `python -m "
        "yt8m.extract_features`."
    )


def _listing_to_judge_by(
    args, listing: video_listing.Listing, settings: clip_inputs.Settings, log: VideoLog
) -> video_listing.Listing | None:
    if not args.eval_data_pattern:
        jobs.refuse_flags(["num_clips", "num_crops"], "without --eval_data_pattern")
        return None
    parts = pattern.parse(args.eval_data_pattern)
    if parts is None:
        raise UserError(
            "--train_data_pattern names raw video, so --eval_data_pattern must. "
            f"Received: {args.eval_data_pattern}."
        )
    judged = video_listing.read(parts, log, settings.num_workers)
    listing.check_apart(judged)
    return judged


def _task_classes(args, schema: ClipSchema):
    """The classes of each task, for the loss; None without tasks."""
    if not schema.tasks:
        return None
    sizes = tuple(end - start for start, end in schema.task_ranges)
    if sizes not in _task_sizes(args.model):
        raise UserError(
            f"The tasks {', '.join(schema.tasks)} need a classifier each. Give the model "
            f"head=tasks(sizes={sizes}). Received: --model={args.model}."
        )
    loss = losses.get(args.loss.name, **args.loss.arguments)
    if losses.compares_within_task(loss):
        return schema.task_classes
    raise UserError(
        "Several tasks need a loss of each class by itself, such as cross_entropy, or "
        f"softmax(scores='log_probabilities'). Received: --loss={args.loss}."
    )


def _task_sizes(spec: Spec) -> set[tuple[int, ...]]:
    """The sizes of the tasks that the models of a spec have classifiers for."""
    found = {spec.settings["sizes"]} if spec.name == "tasks" else set()
    for value in spec.settings.values():
        for inner in value if isinstance(value, tuple) else (value,):
            found |= _task_sizes(inner) if isinstance(inner, Spec) else set()
    return found


def _evaluator(
    args,
    schema: ClipSchema,
    judged: video_listing.Listing,
    settings: clip_inputs.Settings,
    log: VideoLog,
) -> Callable[[keras.Model, int], dict[str, float]]:
    """The function from a model and a step to metrics."""
    reader = clip_inputs.open_reader(judged, schema, args.batch_size, settings, log)
    clip_evaluation.check_labels(reader)

    def evaluate(model: keras.Model, step: int) -> dict[str, float]:
        state = clip_evaluation.evaluate(model, reader, losses.for_evaluation(args.loss))
        return keep_results(args, step, state, state.result())

    return evaluate
