"""What hiding parts of a clip does to the probability that a run gives to a class."""

from __future__ import annotations

import dataclasses
import io
import math

import keras
import numpy as np

from yt8m import runs
from yt8m.base import spec_language
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.evaluation import predicting
from yt8m.interpretation import occlusion_grid
from yt8m.interpretation.first_clips import Clip


@dataclasses.dataclass(frozen=True)
class Hiding:
    """What is hidden, and whose probability is looked at.

    Attributes:
        size: (frames, height, width) of the cuboids.
        strides: (frames, rows, columns) from one cuboid to the next.
        inputs: names of the inputs that turn grey.
        class_id: the class; None for each video's own.
        batch_size: clips a batch.
    """

    size: tuple[int, int, int]
    strides: tuple[int, int, int]
    inputs: tuple[str, ...]
    class_id: int | None
    batch_size: int

    def grid(self, schema: ClipSchema, num_frames: int) -> occlusion_grid.Grid:
        """The cuboids of a clip with so many frames that are no padding.

        Raises:
            UserError: they are larger than its frames.
        """
        clip_size = (schema.clips.frames, *schema.clips.crop_size)
        try:
            return occlusion_grid.grid(clip_size, num_frames, self.size, self.strides)
        except ValueError as error:
            raise UserError(
                f"--patch does not fit the run: {error} Choose a smaller one."
            ) from None

    def count(self, schema: ClipSchema) -> int:
        """How many cuboids a clip without padding has.

        Raises:
            UserError: they are larger than its frames.
        """
        return math.prod(self.grid(schema, schema.clips.frames).shape)


@dataclasses.dataclass(frozen=True)
class OcclusionMap:
    """What hiding parts of a clip did.

    Attributes:
        clip: the clip.
        hiding: what was hidden.
        places: the cuboids.
        drop: for each of them, by how much the probability fell.
        class_name: the class.
        is_label: whether it is a label of the video.
        probability: of the class, of the whole clip.
        predicted: the likeliest class of the whole clip.
        predicted_probability: its probability.
    """

    clip: Clip
    hiding: Hiding
    places: occlusion_grid.Grid
    drop: np.ndarray
    class_name: str
    is_label: bool
    probability: float
    predicted: str
    predicted_probability: float

    def as_npz(self) -> bytes:
        """The content of the .npz of the clip, see `yt8m.occlusion`."""
        file = io.BytesIO()
        np.savez(
            file,
            drop=self.drop,
            times=self.places.starts[0],
            rows=self.places.starts[1],
            columns=self.places.starts[2],
            size=self.places.size,
            video=self.clip["ids"],
            class_name=self.class_name,
            probability=np.float32(self.probability),
            inputs=self.hiding.inputs,
            predicted=self.predicted,
            frames=self.clip["num_frames"],
        )
        return file.getvalue()

    def summary(self) -> str:
        """The class, its probability, and where hiding takes most of it."""
        place = np.unravel_index(self.drop.argmax(), self.drop.shape)
        frame, row, column = (int(s[i]) for s, i in zip(self.places.starts, place, strict=True))
        return (
            f"{self.class_name} has {self.probability:.4f}, of which {self.drop.max():.4f} go "
            f"where row {row}, column {column} is hidden from frame {frame} on"
        )


def find_inputs(run: runs.Run, name: str | None) -> tuple[str, ...]:
    """The inputs to hide: the one of that name, or without a name all that the run takes.

    Raises:
        UserError: the run has no such input.
    """
    inputs = run.config.schema.inputs
    if name is None:
        return inputs
    if name not in inputs:
        raise UserError(
            f"{run.train_dir} takes {' and '.join(inputs)} alone. Received: --input={name}."
        )
    return (name,)


def find_class(run: runs.Run, name: str) -> int:
    """The id of a class of a run.

    Raises:
        UserError: the run has no such class.
    """
    classes = run.config.schema.classes
    if name not in classes:
        raise UserError(spec_language.unknown("class of the run", name, [*classes]))
    return classes.index(name)


def occlude(
    run: runs.Run, reader, clip: Clip, hiding: Hiding, progress: ProgressReport
) -> OcclusionMap:
    """Hides parts of a clip, one after the other.

    Args:
        run: of raw video.
        reader: the clip is of.
        clip: the clip.
        hiding: what to hide.
        progress: told how many parts were hidden.

    Raises:
        UserError: the model answers NaN.
    """
    schema = run.config.schema
    predict = _predictor(run.model, reader, clip)
    inputs = {name: clip[name] for name in (*schema.inputs, "num_frames")}
    scores = predict({name: values[None] for name, values in inputs.items()})[0]
    if schema.tasks:
        scores = scores * schema.task_classes[clip["task"]]
    class_id = hiding.class_id
    if class_id is None:
        class_id = choose_class(scores, clip["labels"])
    whole = scores[class_id]
    places = hiding.grid(schema, int(clip["num_frames"]))
    drop = occlusion_grid.drops(
        predict,
        inputs,
        whole,
        hiding.inputs,
        places,
        hiding.batch_size,
        class_id,
        progress.advance,
    )
    best = int(scores.argmax())
    is_label = class_id in clip["labels"].tolist()
    return OcclusionMap(
        *(clip, hiding, places, drop, schema.classes[class_id], is_label, float(whole)),
        *(schema.classes[best], float(scores[best])),
    )


def _predictor(model: keras.Model, reader, clip: Clip) -> predicting.Predictor:
    """A function from inputs made of a clip to probabilities; it fails for NaN."""
    answer = predicting.predictor(model)

    def predict(batch: dict[str, np.ndarray]) -> np.ndarray:
        scores = answer(batch)
        ids = np.full(len(scores), clip["ids"], object)
        predicting.check_finite(scores, batch | {"ids": ids}, reader)
        return scores

    return predict


def choose_class(scores: np.ndarray, labels: np.ndarray) -> int:
    """The likeliest of a video's labels, or the likeliest class where it has none.

    Args:
        scores: (num_classes,), probabilities.
        labels: class ids, padded with -1.
    """
    own = labels[labels >= 0]
    return int(own[scores[own].argmax()]) if len(own) else int(scores.argmax())
