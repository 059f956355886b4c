r"""Shows by which places and moments of a video a run decides: what happens when they are hidden.

    python -m yt8m.occlusion --train_dir=runs/c3d --input_data_pattern='clips.csv#validate' \
        --output_dir=occlusion

A grey cuboid, --patch pixels high and wide and --patch_frames frames long, is put everywhere into
a clip of each video. Where it makes the probability of the video's class fall, the model looks.

Of each video it writes a picture: frames of the clip from top to bottom, and beside each one the
map over it, of each pixel the mean over the cuboids that hide it. Beside the picture lies an .npz:
    drop: (time, rows, columns), the probability of the whole clip less that of the hidden one.
    times, rows, columns: the first frame, row and column of each cuboid.
    size: frames, rows and columns of a cuboid.
    video, class_name, probability, inputs: what was looked at, the probability of the whole clip,
        and which inputs of the model were hidden.
    predicted, frames: the likeliest class of the whole clip, and its frames without padding.

It is the occlusion sensitivity of Zeiler and Fergus, https://arxiv.org/abs/1311.2901, section 4.2,
in space and time. It takes a run on either backend.
"""

from __future__ import annotations

import dataclasses
import io
import math
import os

import numpy as np
from absl import flags, logging

from yt8m import runs
from yt8m.base import define, files, jobs, spec_language
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.video.schema import ClipSchema
from yt8m.evaluation import predicting
from yt8m.interpretation import first_clips, occluding

ALL = "all"


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is hidden, and whose probability is looked at.

    Attributes:
        size: (frames, height, width) of the cuboids.
        strides: from one cuboid to the next.
        hidden: names of the inputs that turn grey.
        class_id: the class; None for each video's own.
        batch_size: clips a batch.
    """

    size: tuple[int, int, int]
    strides: tuple[int, int, int]
    hidden: tuple[str, ...]
    class_id: int | None
    batch_size: int

    def grid(self, schema: ClipSchema, num_frames: int) -> occluding.Grid:
        """The cuboids of a clip with so many frames that are no padding.

        Raises:
            UserError: they are larger than its frames.
        """
        clip_size = (schema.clips.frames, *schema.clips.crop_size)
        try:
            return occluding.grid(clip_size, num_frames, self.size, self.strides)
        except ValueError as error:
            raise UserError(
                f"--patch does not fit the run: {error} Choose a smaller one."
            ) from None


@dataclasses.dataclass(frozen=True)
class Result:
    """What hiding parts of a clip did.

    Attributes:
        clip: the clip.
        places: the cuboids.
        drop: for each of them, by how much the probability fell.
        class_name: the class.
        is_label: whether it is a label of the video.
        probability: of the class, of the whole clip.
        predicted: the likeliest class of the whole clip.
        predicted_probability: its probability.
    """

    clip: first_clips.Clip
    places: occluding.Grid
    drop: np.ndarray
    class_name: str
    is_label: bool
    probability: float
    predicted: str
    predicted_probability: float


def define_flags() -> None:
    """Defines the flags of this tool."""
    first_clips.define_flags(num_videos=8)
    define.integer("patch", "Height and width of what is hidden, in pixels.", 28, at_least=1)
    define.integer(
        "patch_frames",
        "Frames for which it is hidden; all, where the clip has fewer.",
        4,
        at_least=1,
    )
    define.integer("stride", "Pixels to the next place; by default half of --patch.", at_least=1)
    define.integer(
        "stride_frames", "Frames to the next moment; by default half of --patch_frames.", at_least=1
    )
    define.string(
        "class_name",
        "Whose probability to look at; by default that of the video's label, or "
        "without a label that of the likeliest class.",
        "",
    )
    define.choice(
        "input", "What to hide, of a model of pixels and flow.", ALL, [ALL, "pixels", "flow"]
    )
    define.integer("shown_frames", "Frames of a clip that its picture shows.", 6, at_least=1)


def main() -> None:
    """Draws the maps as the flags say."""
    args = flags.FLAGS
    pictures = jobs.import_extra("yt8m.interpretation.occlusion_picture", "video")
    files.check_output_file(os.path.join(args.output_dir, "000.png"))
    run = first_clips.load_run(args.train_dir)
    settings = read_settings(args, run.config.schema)
    total = math.prod(settings.grid(run.config.schema, run.config.schema.clips.frames).shape)
    reader = first_clips.open_videos(run, args.input_data_pattern, batch_size=1)
    total *= len(reader.items)
    with ProgressReport("Hiding parts of clips", total, "occlusions") as progress:
        for number, clip in enumerate(first_clips.each_clip(reader)):
            result = occlude(run, reader, clip, settings, progress)
            path = os.path.join(
                args.output_dir, first_clips.file_name(number, first_clips.name_of(clip))
            )
            first_clips.write_bytes(f"{path}.npz", as_npz(result, settings))
            pictures.write(f"{path}.png", run.model, result, settings.hidden, args.shown_frames)
            logging.info("%s: %s", first_clips.name_of(clip), summary(result))
    print(f"Wrote the maps of {len(reader.items)} videos: {args.output_dir}")


def read_settings(args: flags.FlagValues, schema: ClipSchema) -> Settings:
    """Checks the flags against what the run takes.

    Raises:
        UserError: the run has no such input or class.
    """
    hidden = schema.inputs if args.input == ALL else (args.input,)
    if not set(hidden) <= set(schema.inputs):
        raise UserError(
            f"{args.train_dir} takes {' and '.join(schema.inputs)} alone. "
            f"Received: --input={args.input}."
        )
    class_id = None
    if args.class_name:
        if args.class_name not in schema.classes:
            raise UserError(
                spec_language.unknown("class of the run", args.class_name, [*schema.classes])
            )
        class_id = schema.classes.index(args.class_name)
    stride = args.stride or max(1, args.patch // 2)
    stride_frames = args.stride_frames or max(1, args.patch_frames // 2)
    size = (args.patch_frames, args.patch, args.patch)
    return Settings(size, (stride_frames, stride, stride), hidden, class_id, args.batch_size)


def occlude(
    run: runs.Run,
    reader,
    clip: first_clips.Clip,
    settings: Settings,
    progress: ProgressReport,
) -> Result:
    """Hides parts of a clip, one after the other.

    Args:
        run: of raw video.
        reader: the clip is of.
        clip: the clip.
        settings: what to hide.
        progress: told how many parts were hidden.

    Raises:
        UserError: the model answers NaN.
    """
    schema = run.config.schema
    model_predicts = predicting.predictor(run.model)

    def predict(batch):
        scores = model_predicts(batch)
        ids = np.full(len(scores), clip["ids"], object)
        predicting.check_finite(scores, batch | {"ids": ids}, reader)
        return scores

    inputs = {name: clip[name] for name in (*schema.inputs, "num_frames")}
    scores = predict({name: values[None] for name, values in inputs.items()})[0]
    if schema.tasks:
        scores = scores * schema.task_classes[clip["task"]]
    class_id = settings.class_id
    if class_id is None:
        class_id = choose_class(scores, clip["labels"])
    places = settings.grid(schema, int(clip["num_frames"]))
    drop = occluding.drops(
        predict,
        inputs,
        scores[class_id],
        settings.hidden,
        places,
        settings.batch_size,
        class_id,
        progress.advance,
    )
    best = int(scores.argmax())
    is_label = class_id in clip["labels"].tolist()
    return Result(
        *(clip, places, drop, schema.classes[class_id], is_label, float(scores[class_id])),
        *(schema.classes[best], float(scores[best])),
    )


def choose_class(scores: np.ndarray, labels: np.ndarray) -> int:
    """The likeliest of a video's labels, or the likeliest class where it has none.

    Args:
        scores: (num_classes,), probabilities.
        labels: class ids, padded with -1.
    """
    own = labels[labels >= 0]
    return int(own[scores[own].argmax()]) if len(own) else int(scores.argmax())


def as_npz(result: Result, settings: Settings) -> bytes:
    """The content of the .npz of a clip."""
    file = io.BytesIO()
    np.savez(
        file,
        drop=result.drop,
        times=result.places.starts[0],
        rows=result.places.starts[1],
        columns=result.places.starts[2],
        size=result.places.size,
        video=first_clips.name_of(result.clip).encode("utf-8", "surrogateescape"),
        class_name=result.class_name,
        probability=np.float32(result.probability),
        inputs=settings.hidden,
        predicted=result.predicted,
        frames=result.clip["num_frames"],
    )
    return file.getvalue()


def summary(result: Result) -> str:
    """The class, its probability, and where hiding takes most of it."""
    place = np.unravel_index(result.drop.argmax(), result.drop.shape)
    frame, row, column = (int(s[i]) for s, i in zip(result.places.starts, place, strict=True))
    return (
        f"{result.class_name} has {result.probability:.4f}, of which {result.drop.max():.4f} go "
        f"where row {row}, column {column} is hidden from frame {frame} on"
    )


if __name__ == "__main__":
    jobs.run(define_flags, main)
