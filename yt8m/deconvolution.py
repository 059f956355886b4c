r"""Shows what units of a layer of a run respond to: their strongest activations, projected back.

    python -m yt8m.deconvolution --train_dir=runs/c3d --input_data_pattern='clips.csv#validate' \
        --layer=conv3d_3 --output_dir=units

It finds where each video makes a unit answer most, and of the videos that do so most it draws what
the model saw there, and below it what the activation is made of. There is a picture for each unit.

--method=deconvnet sets all but that activation to 0 and goes back through transposed kernels, the
switches of max pools and a ReLU at each ReLU (Zeiler and Fergus, https://arxiv.org/abs/1311.2901,
section 2); --method=guided passes only what was active on the way as well (Springenberg et al.,
https://arxiv.org/abs/1412.6806); --method=gradient is the gradient. Other layers pass their
gradient in each of the three. A layer inside a network is called OUTER/INNER; a name that is none
is answered with a list of them.

It needs TensorFlow as the backend: a run that JAX trained can be shown so too.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator

import keras
import numpy as np
from absl import flags

from yt8m import runs
from yt8m.base import define, files, jobs
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.video.video_log import VideoLog
from yt8m.evaluation import predicting
from yt8m.inputs import flags as input_flags
from yt8m.interpretation import backward_rules, first_clips
from yt8m.interpretation.units import Units


@dataclasses.dataclass(frozen=True)
class Responses:
    """How videos make the units of a layer answer.

    Attributes:
        strengths: (videos, units), the greatest activation.
        places: (videos, units), where that is, as a number.
        shape: how many places there are along each axis of the layer.
    """

    strengths: np.ndarray
    places: np.ndarray
    shape: tuple[int, ...]

    def top_units(self, count: int) -> list[int]:
        """The units that answer most to some video, at most `count`, without those that never do.

        Raises:
            UserError: no unit answers.
        """
        best = self.strengths.max(axis=0)
        order = [int(unit) for unit in np.argsort(-best, kind="stable") if best[unit] > 0]
        if not order:
            raise UserError(
                f"No unit of --layer is above 0 in any of the {len(self.strengths)} videos. Name "
                "another layer, or look at more videos with --num_videos."
            )
        return order[:count]

    def top_videos(self, unit: int, count: int) -> list[int]:
        """The videos that a unit answers to most, at most `count`.

        Raises:
            UserError: it answers to none.
        """
        strengths = self.strengths[:, unit]
        order = [int(v) for v in np.argsort(-strengths, kind="stable") if strengths[v] > 0]
        if not order:
            raise UserError(
                f"The unit {unit} is above 0 in none of the {len(strengths)} videos. Choose "
                "another --unit, or look at more videos with --num_videos."
            )
        return order[:count]


def define_flags() -> None:
    """Defines the flags of this tool."""
    first_clips.define_flags(num_videos=100)
    define.string("layer", "Name of the layer, as in the summary of the model.", required=True)
    define.integer("unit", "Number of the unit: a channel of the layer.", at_least=0)
    define.integer("top_units", "Without --unit: so many units that answer most.", 8, at_least=1)
    define.integer("top_videos", "Videos shown of each unit.", 6, at_least=1)
    define.integer("shown_frames", "Frames shown of each clip.", 8, at_least=1)
    define.choice(
        "method", "What a ReLU sends back.", backward_rules.DECONVNET, backward_rules.METHODS
    )


def main() -> None:
    """Draws the units as the flags say."""
    args = flags.FLAGS
    check_flags(args)
    pictures = jobs.import_extra("yt8m.interpretation.unit_picture", "video")
    files.check_output_file(os.path.join(args.output_dir, "unit.png"))
    run = first_clips.load_run(args.train_dir)
    units = Units(run.model, args.layer, args.method)
    check_unit(args, units.number)
    reader = first_clips.open_videos(run, args.input_data_pattern, args.batch_size)
    responses = look(units, reader)
    top = responses.top_units(args.top_units) if args.unit is None else [args.unit]
    chosen = {unit: responses.top_videos(unit, args.top_videos) for unit in top}
    drawn: dict[tuple[int, int], np.ndarray] = {}
    for unit, video, clip, projected in project(units, reader, responses, chosen):
        texts = describe(run, clip, responses, unit, video)
        drawn[unit, video] = pictures.block(run.model, clip, projected, texts, args.shown_frames)
    for unit, videos in chosen.items():
        title = f"{args.layer}, unit {unit} of {units.number}, {args.method}"
        path = os.path.join(args.output_dir, f"{args.layer.replace('/', '-')}-unit-{unit:04d}.png")
        pictures.write(path, title, [drawn[unit, video] for video in videos])
    print(f"Wrote the pictures of {len(chosen)} unit(s): {args.output_dir}")


def check_flags(args: flags.FlagValues) -> None:
    """Fails where flags or the backend do not go together.

    Raises:
        UserError: they do not.
    """
    if keras.config.backend() != "tensorflow":
        raise UserError(
            "This tool goes back through TensorFlow's graph. Start it with "
            "KERAS_BACKEND=tensorflow, which reads any run. "
            f"Received: KERAS_BACKEND={keras.config.backend()}."
        )
    if args.unit is not None:
        input_flags.refuse(["top_units"], "with --unit")


def check_unit(args: flags.FlagValues, number: int) -> None:
    """Fails where --unit is none of the units of --layer, of which there are `number`.

    Raises:
        UserError: it is none.
    """
    if args.unit is not None and args.unit >= number:
        raise UserError(
            f"The layer {args.layer} has {number} units, from 0 to {number - 1}. "
            f"Received: --unit={args.unit}."
        )


def look(units: Units, reader) -> Responses:
    """Finds where each video makes each unit answer most.

    Args:
        units: of a layer.
        reader: of a clip of each video.

    Raises:
        UserError: the layer answers NaN, or a video cannot be read any more.
    """
    strengths, places, shape = [], [], ()
    with ProgressReport("Looking for activations", len(reader.items), "clips") as progress:
        for batch in first_clips.batches(reader):
            values, where, shape = units.strongest(batch)
            predicting.check_finite(values, batch, reader)
            strengths.append(values)
            places.append(where)
            progress.advance(len(values))
    return Responses(np.concatenate(strengths), np.concatenate(places), shape)


def project(
    units: Units, reader, responses: Responses, chosen: dict[int, list[int]]
) -> Iterator[tuple[int, int, first_clips.Clip, dict[str, np.ndarray]]]:
    """Projects the strongest activations back, reading their videos once more.

    Args:
        units: of a layer.
        reader: of a clip of each video.
        responses: to all of them.
        chosen: units, and the videos of each.

    Yields:
        A unit, a video, its clip and what the activation is made of, video by video.
    """
    needed = sorted({video for videos in chosen.values() for video in videos})
    again = dataclasses.replace(
        reader, items=[reader.items[video] for video in needed], batch_size=1, log=VideoLog()
    )
    total = sum(map(len, chosen.values()))
    with ProgressReport(f"Projecting ({units.method})", total, "activations") as progress:
        for video, clip in zip(needed, first_clips.each_clip(again), strict=True):
            for unit, videos in chosen.items():
                if video in videos:
                    place = responses.places[video, unit]
                    yield unit, video, clip, units.project(clip, unit, place)
                    progress.advance(1)


def describe(
    run: runs.Run, clip: first_clips.Clip, responses: Responses, unit: int, video: int
) -> list[str]:
    """What stands above the picture of an activation."""
    names = run.config.schema.classes
    labels = ", ".join(names[label] for label in clip["labels"] if label >= 0)
    where = ""
    if max(responses.shape) > 1:
        place = np.unravel_index(responses.places[video, unit], responses.shape)
        axes = [(int(p), n) for p, n in zip(place, responses.shape, strict=True) if n > 1]
        where = (
            f", at {', '.join(str(p) for p, _ in axes)} of {' x '.join(str(n) for _, n in axes)}"
        )
    return [
        first_clips.name_of(clip) + (f" ({labels})" if labels else ""),
        f"activation {responses.strengths[video, unit]:.3g}{where}",
    ]


if __name__ == "__main__":
    jobs.run(define_flags, main)
