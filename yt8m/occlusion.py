r"""Shows which places and moments of a video decide: what a run answers when they are hidden.

    yt8m occlusion --train_dir=runs/c3d --input_data_pattern='clips.csv#validate' \
        --output_dir=occlusion

A grey cuboid, --patch pixels high and wide and --patch_frames frames long, is put everywhere into
a clip of each video. The model looks where the cuboid makes the probability of the class fall.

For each video the job writes a picture: frames of the clip from top to bottom, and beside each
frame the map over it, which shows for each pixel the mean over the cuboids that hide it. Beside the
picture lies an .npz:
    drop: (time, rows, columns), the probability of the whole clip less that of the hidden one.
    times, rows, columns: the first frame, row and column of each cuboid.
    size: frames, rows and columns of a cuboid.
    video, class_name, probability, inputs: what was looked at, the probability of the whole clip,
        and which inputs of the model were hidden.
    predicted, frames: the likeliest class of the whole clip, and its frames without padding.

This is the occlusion sensitivity of Zeiler and Fergus, https://arxiv.org/abs/1311.2901, section
4.2, in space and time. The run may be of either backend.
"""

from __future__ import annotations

import os

from absl import flags, logging

from yt8m.base import define, files, jobs
from yt8m.base.progress import ProgressReport
from yt8m.inputs import flags as input_flags
from yt8m.interpretation import first_clips, occlusion_maps, video_flags
from yt8m.interpretation.occlusion_maps import Hiding

ALL = "all"


def define_flags() -> None:
    """Defines the flags of this job."""
    video_flags.define_flags(num_videos=8)
    define.integer("patch", "Height and width of what is hidden, in pixels.", 28, at_least=1)
    define.integer(
        "patch_frames",
        "Frames for which it is hidden; all frames of a shorter clip.",
        4,
        at_least=1,
    )
    define.integer("stride", "Pixels to the next place; by default half of --patch.", at_least=1)
    define.integer(
        "stride_frames", "Frames to the next moment; by default half of --patch_frames.", at_least=1
    )
    define.string(
        "class_name",
        "The class whose probability is looked at; by default the video's label, or, where it has "
        "none, the likeliest class.",
        "",
    )
    define.choice(
        "input",
        "The input to hide, in a model that takes pixels and flow.",
        ALL,
        [ALL, "pixels", "flow"],
    )
    define.integer("shown_frames", "Frames of a clip that its picture shows.", 6, at_least=1)


def main() -> None:
    """Draws the maps as the flags say."""
    args = flags.FLAGS
    pictures = jobs.import_extra("yt8m.interpretation.occlusion_picture", "video")
    files.check_output_file(os.path.join(args.output_dir, "000.png"))
    run = first_clips.load_run(args.train_dir)
    stride = args.stride or max(1, args.patch // 2)
    hiding = Hiding(
        size=(args.patch_frames, args.patch, args.patch),
        strides=(args.stride_frames or max(1, args.patch_frames // 2), stride, stride),
        inputs=occlusion_maps.find_inputs(run, None if args.input == ALL else args.input),
        class_id=occlusion_maps.find_class(run, args.class_name) if args.class_name else None,
        batch_size=args.batch_size,
    )
    each = hiding.count(run.config.schema)
    reader = first_clips.open_videos(
        run,
        args.input_data_pattern,
        args.num_videos,
        batch_size=1,
        settings=input_flags.clip_settings(),
    )
    total = each * len(reader.items)
    with ProgressReport("Hiding parts of clips", total, "occlusions") as progress:
        for number, clip in enumerate(first_clips.each_clip(reader)):
            found = occlusion_maps.occlude(run, reader, clip, hiding, progress)
            video = first_clips.name_of(clip)
            path = os.path.join(args.output_dir, first_clips.file_name(number, video))
            first_clips.write_bytes(f"{path}.npz", found.as_npz())
            pictures.write(f"{path}.png", run.model, found, args.shown_frames)
            logging.info("%s: %s", video, found.summary())
    count = len(reader.without_left_out().items)
    print(f"Wrote the maps of {count} videos: {args.output_dir}")


if __name__ == "__main__":
    jobs.run(define_flags, main)
