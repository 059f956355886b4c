r"""Shows what units of a layer of a run respond to: their strongest activations, projected back.

    yt8m deconvolution --train_dir=runs/c3d --input_data_pattern='clips.csv#validate' \
        --layer=conv3d_3 --output_dir=units

The job finds where each video makes a unit answer most. For the videos that do so most it draws
what the model saw there, and below that what the activation is made of. Each unit gets a picture.

--method=deconvnet sets everything but that activation to 0 and goes back through transposed
kernels, the switches of max pools and a ReLU at each ReLU (Zeiler and Fergus,
https://arxiv.org/abs/1311.2901, section 2). --method=guided also passes only what was active on the
way forward (Springenberg et al., https://arxiv.org/abs/1412.6806). --method=gradient is the
gradient. All other layers pass their gradient with each of the three. A layer inside a network is
called OUTER/INNER; a wrong name is answered with the list of the layers.

It needs TensorFlow as the backend, which also reads runs that JAX trained.
"""

from __future__ import annotations

import os

import keras
import numpy as np
from absl import flags

from yt8m.base import define, files, jobs
from yt8m.base.errors import UserError
from yt8m.inputs import flags as input_flags
from yt8m.interpretation import backward_rules, first_clips, unit_responses, video_flags
from yt8m.interpretation.units import Units


def define_flags() -> None:
    """Defines the flags of this job."""
    video_flags.define_flags(num_videos=100)
    define.string("layer", "Name of the layer, as in the summary of the model.", required=True)
    define.integer("unit", "Number of the unit: a channel of the layer.", at_least=0)
    define.integer(
        "top_units",
        "How many of the units that answer most are shown, without --unit.",
        8,
        at_least=1,
    )
    define.integer("top_videos", "Videos shown for each unit.", 6, at_least=1)
    define.integer("shown_frames", "Frames shown of each clip.", 8, at_least=1)
    define.choice(
        "method", "What a ReLU sends back.", backward_rules.DECONVNET, backward_rules.METHODS
    )


def main() -> None:
    """Draws the units as the flags say."""
    args = flags.FLAGS
    check_backend()
    if args.unit is not None:
        input_flags.refuse(["top_units"], "with --unit")
    pictures = jobs.import_extra("yt8m.interpretation.unit_picture", "video")
    files.check_output_file(os.path.join(args.output_dir, "unit.png"))
    run = first_clips.load_run(args.train_dir)
    units = Units(run.model, args.layer, args.method)
    if args.unit is not None:
        units.check(args.unit)
    reader = first_clips.open_videos(
        run,
        args.input_data_pattern,
        args.num_videos,
        args.batch_size,
        input_flags.clip_settings(),
    )
    responses = unit_responses.look(units, reader)
    top = responses.top_units(args.top_units) if args.unit is None else [args.unit]
    chosen = {unit: responses.top_videos(unit, args.top_videos) for unit in top}
    drawn: dict[tuple[int, int], np.ndarray] = {}
    for unit, video, clip, projected in unit_responses.project(units, reader, responses, chosen):
        texts = responses.describe(run.config.schema.classes, clip, unit, video)
        drawn[unit, video] = pictures.block(run.model, clip, projected, texts, args.shown_frames)
    for unit, videos in chosen.items():
        title = f"{args.layer}, unit {unit} of {units.number}, {args.method}"
        path = os.path.join(args.output_dir, f"{args.layer.replace('/', '-')}-unit-{unit:04d}.png")
        pictures.write(path, title, [drawn[unit, video] for video in videos])
    print(f"Wrote the pictures of {len(chosen)} unit(s): {args.output_dir}")


def check_backend() -> None:
    """Fails where the backend is not TensorFlow.

    Raises:
        UserError: another backend is in use.
    """
    if keras.config.backend() != "tensorflow":
        raise UserError(
            "This job goes back through TensorFlow's graph. Start it with "
            "KERAS_BACKEND=tensorflow, which reads any run. "
            f"Received: KERAS_BACKEND={keras.config.backend()}."
        )


if __name__ == "__main__":
    jobs.run(define_flags, main)
