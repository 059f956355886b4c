"""Writes shards of synthetic videos in the exact formats of YouTube-8M.

    yt8m synthetic --output_dir=data --kind=frame --num_videos=1000

A video is made of shots. Each shot is about one of the video's labels or about none, and what tells
one label from another partly cancels in the average over frames: see `yt8m.data.synthetic`. The
same flags write the same bytes. For validation data keep --world_seed and change --seed, --prefix
and --first_id.
"""

from __future__ import annotations

from absl import flags

from yt8m.base import define, files, jobs
from yt8m.base.errors import UserError
from yt8m.data import synthetic
from yt8m.inputs import flags as input_flags


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("output_dir", "Folder to write the shards to.")
    define.choice("kind", "Kind of record.", "frame", synthetic.KINDS)
    define.integer("num_videos", "Videos over all shards.", 1000, at_least=1)
    define.integer("num_shards", "Shards to write.", 4, at_least=1)
    define.integer("num_classes", "Size of the vocabulary.", 50, at_least=1)
    define.strings("feature_sizes", "Sizes of rgb and audio.", ["1024", "128"])
    define.integer(
        "topics", "Topics of the classes; all labels of a video are of one topic.", 1, at_least=1
    )
    define.integer(
        "lookalikes",
        "Classes in a row that look the same and differ in their topics.",
        1,
        at_least=1,
    )
    define.number("noise", "Standard deviation of a value around its centre.", 0.5, at_least=0)
    define.string("prefix", "Beginning of the file names.", "train")
    define.integer("seed", "Fixes the videos; another one for validation.", 0, at_least=0)
    define.integer("first_id", "Number of the first video, from which ids are made.", 0, at_least=0)
    define.integer("world_seed", "Fixes what the classes look like.", 0, at_least=0)


def main() -> None:
    """Writes shards as the flags say and prints where they are."""
    args = flags.FLAGS
    sizes = input_flags.integers("feature_sizes")
    if len(sizes) != 2 or min(sizes) < 1:
        raise UserError(f"--feature_sizes takes the sizes of rgb and audio. Received: {sizes}.")
    try:
        world = synthetic.World(
            num_classes=args.num_classes,
            feature_sizes=sizes,
            topics=args.topics,
            lookalikes=args.lookalikes,
            noise=args.noise,
            seed=args.world_seed,
        )
    except ValueError as error:
        raise UserError(f"These flags make no videos: {error}") from None
    with files.writing(args.output_dir):
        paths = synthetic.write_shards(
            args.output_dir,
            kind=args.kind,
            num_videos=args.num_videos,
            num_shards=args.num_shards,
            prefix=args.prefix,
            seed=args.seed,
            first_id=args.first_id,
            world=world,
        )
    print(f"Wrote {args.num_videos} videos to {len(paths)} shards: {paths[0]} ... {paths[-1]}")


if __name__ == "__main__":
    jobs.run(define_flags, main)
