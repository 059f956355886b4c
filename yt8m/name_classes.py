r"""Gives the classes of a run their names, which every other job then uses.

    yt8m name_classes --train_dir=runs/moe --vocabulary_file=vocabulary.csv

`train --vocabulary_file` does the same from the start. The names of a run of raw video are the
labels of its manifests: with other names it needs manifests with these.
"""

from __future__ import annotations

from absl import flags

from yt8m import runs
from yt8m.base import define, files, jobs
from yt8m.data import class_names


def define_flags() -> None:
    """Defines the flags of this job."""
    define.path("train_dir", "Folder of the run.")
    define.path(
        "vocabulary_file",
        "Names of the classes: vocabulary.csv of YouTube-8M, class_labels_indices.csv of AudioSet, "
        "or a .txt file with a name a line, as Kinetics' label_map.txt.",
        any_bytes=True,
    )


def main() -> None:
    """Names the classes as the flags say."""
    args = flags.FLAGS
    config = runs.read_config(args.train_dir)
    names = class_names.read(args.vocabulary_file, config.num_classes)
    with files.locked(args.train_dir):
        runs.write_names(args.train_dir, config, names)
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    print(f"Named the {len(names)} classes of {args.train_dir}: {shown}")


if __name__ == "__main__":
    jobs.run(define_flags, main)
