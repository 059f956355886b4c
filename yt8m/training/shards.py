"""What a training learns from and is judged by: shards, of whole videos or rated segments."""

from __future__ import annotations

import dataclasses

from yt8m.base.errors import UserError
from yt8m.base.spec_language import Call
from yt8m.data import detect, first_records, segment_classes
from yt8m.data.schema import Schema
from yt8m.data.teacher import TeacherScores, check_names
from yt8m.evaluation.segments import SegmentExamples
from yt8m.evaluation.videos import VideoExamples
from yt8m.inputs import beside_shards
from yt8m.inputs.shards import SegmentInput, ShardInput, open_shards
from yt8m.modeling import losses
from yt8m.training.training_data import Judge, TrainingData


@dataclasses.dataclass(frozen=True)
class ShardSettings:
    """What a training on shards reads, and how.

    Attributes:
        train_data_pattern: the shards to learn from.
        eval_data_pattern: the shards to be judged by; empty for none.
        batch_size: examples a batch.
        on_corrupt_shard: `skip` leaves damaged records out, `fail` ends the training.
        feature_names: features to use, in this order; empty for all.
        feature_sizes: sizes that they must have; empty for any.
        video_feature_names: vectors of the whole video beside its frames to use; empty for none.
        num_classes: the size of the vocabulary; None for that which such records have.
        max_frames: frames after these are cut.
        shuffle_buffer: records to shuffle among; None for 512 MB of them.
        segment_labels: whether rated segments are learnt, and not whole videos.
        segment_label_ids_file: lists the classes whose ratings count; empty for all.
        teacher: the name of a teacher whose scores are learnt besides the labels; empty for none.
        teacher_dir: the folder of these scores; empty for beside the shards.
        vocabulary_file: names the classes; empty for what lies beside the shards.
    """

    train_data_pattern: str
    eval_data_pattern: str
    batch_size: int
    on_corrupt_shard: str
    feature_names: tuple[str, ...] = ()
    feature_sizes: tuple[int, ...] = ()
    video_feature_names: tuple[str, ...] = ()
    num_classes: int | None = None
    max_frames: int = 300
    shuffle_buffer: int | None = None
    segment_labels: bool = False
    segment_label_ids_file: str = ""
    teacher: str = ""
    teacher_dir: str = ""
    vocabulary_file: str = ""


def open_data(
    settings: ShardSettings, loss: Call, folder: str, jit_compile: bool = False
) -> TrainingData:
    """Opens the shards that a training reads.

    Args:
        settings: what to read.
        loss: the loss trained with, see `losses.from_spec`.
        folder: where evaluations write their metrics.
        jit_compile: whether the model is compiled for each shape of a batch.

    Raises:
        UserError: nothing matches or can be read, or settings do not go together.
    """
    paths, schema = open_shards(settings.train_data_pattern)
    schema = schema.select(settings.feature_names, settings.feature_sizes)
    schema = detect.with_video_features(paths, schema, settings.video_feature_names)
    examples = _examples(settings, schema, loss)
    names = beside_shards.names(paths, examples.source.num_classes, settings.vocabulary_file)
    judge = None
    if settings.eval_data_pattern:
        reader = examples.open(settings.eval_data_pattern)
        examples.check_labels(reader)
        kept = losses.for_evaluation(loss)
        judge = Judge(examples, reader, settings.eval_data_pattern, kept, folder, names)
    reader = examples.source.reader(
        paths,
        schema,
        jit_compile,
        drop_remainder=True,
        shuffle_buffer=settings.shuffle_buffer,
    )
    if settings.num_classes is None:
        first_records.warn_of_too_many_classes(reader)
    return TrainingData(
        examples,
        reader,
        judge,
        _teacher(settings, paths, reader.num_classes),
        recorded=_recorded(settings),
        names=names,
        features_dir=beside_shards.features_dir(paths),
    )


def _examples(
    settings: ShardSettings, schema: Schema, loss: Call
) -> VideoExamples | SegmentExamples:
    """Whole videos or rated segments, as the settings say.

    Raises:
        UserError: the loss, or a teacher, does not go with them.
    """
    made = losses.get(loss.name, **loss.arguments)
    num_classes = settings.num_classes or schema.default_num_classes()
    read = (
        schema,
        num_classes,
        settings.batch_size,
        settings.max_frames,
        settings.on_corrupt_shard,
    )
    if not settings.segment_labels:
        if settings.teacher and not losses.takes_soft_labels(made):
            raise UserError(
                "--teacher needs a loss that takes probabilities as labels, such as "
                f"cross_entropy. Received: --loss={loss}."
            )
        return VideoExamples(ShardInput(*read))
    if not losses.label_weighted(made):
        raise UserError(
            "--segment_labels needs a loss of each class by itself, such as cross_entropy, as only "
            f"some classes of a segment are rated. Received: --loss={loss}."
        )
    if settings.teacher:
        raise UserError("--teacher scores whole videos, so it does not go with --segment_labels.")
    classes = segment_classes.read_if_given(settings.segment_label_ids_file, num_classes)
    return SegmentExamples(SegmentInput(*read, classes), settings.segment_label_ids_file)


def _teacher(settings: ShardSettings, paths: list[str], num_classes: int) -> TeacherScores | None:
    """The teacher's scores of the training shards; None without a teacher."""
    if not settings.teacher:
        return None
    check_names(paths, settings.teacher, settings.teacher_dir)
    return TeacherScores.read(paths, settings.teacher, num_classes, settings.teacher_dir)


def _recorded(settings: ShardSettings) -> dict:
    """What of the settings decides the weights, and has a meaning in this training."""
    names = ["shuffle_buffer"]
    if settings.segment_labels:
        names += ["segment_labels", "segment_label_ids_file"]
    if settings.teacher:
        names += ["teacher", "teacher_dir"]
    return {name: getattr(settings, name) for name in names}
