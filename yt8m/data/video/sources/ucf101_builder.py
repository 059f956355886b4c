"""UCF101 for tensorflow-datasets, from local folders: no network, and no program `ffmpeg`.

What it writes is named as tensorflow-datasets' own `ucf101/ucf101_1`, has its `video` (JPEG, or
PNG) and its `label`, and besides `filename` and `group`, so `tfds.load` reads it too. That builder
asks the network also where the clips are at hand, and is silent on clips that are not there.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator

import tensorflow as tf
import tensorflow_datasets as tfds

from yt8m.base import files
from yt8m.base.errors import UserError, first_line
from yt8m.base.progress import ProgressReport
from yt8m.data.video import workers
from yt8m.data.video.frames import record_frames
from yt8m.data.video.sources import ucf101
from yt8m.data.video.sources.manifest import Video


class Ucf101(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A split of UCF101 as a builder of tensorflow-datasets.

    Args:
        classes: the names of the labels.
        encoding: `jpeg` or `png`.
        examples: of `train` and `test`, those that there are: from a clip's name to its features.
        **settings: `config`, of `BUILDER_CONFIGS`, and `data_dir`.
    """

    VERSION = tfds.core.Version("2.0.0")
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name=f"ucf101_{n}", description=f"UCF101, official split {n}.")
        for n in ucf101.SPLITS
    ]
    # There are no downloads, whose checksums would be looked for beside the code.
    code_path = None

    def __init__(
        self,
        classes: list[str],
        encoding: str,
        examples: dict[str, Iterator[tuple[str, dict]]],
        **settings,
    ):
        self._classes = classes
        self._encoding = encoding
        self._examples = examples
        super().__init__(**settings)

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "video": tfds.features.Video((None, None, None, 3), encoding_format=self._encoding),
            "label": tfds.features.ClassLabel(names=self._classes),
            "filename": tfds.features.Text(),
            "group": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description="UCF101: clips of human actions, prepared from local files.",
            features=tfds.features.FeaturesDict(features),
            homepage="https://www.crcv.ucf.edu/data/UCF101.php",
        )

    def _split_generators(self, dl_manager) -> dict[str, Iterator[tuple[str, dict]]]:
        return {split: self._generate_examples(split) for split in self._examples}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict]]:
        yield from self._examples[split]


def check(split: int, data_dir: str) -> None:
    """Fails where a split cannot be prepared, before its clips are looked for.

    Raises:
        UserError: it is prepared already, or the folder cannot be written.
    """
    with files.writing(data_dir):
        os.makedirs(data_dir, exist_ok=True)
    folder = os.path.join(data_dir, "ucf101", f"ucf101_{split}", str(Ucf101.VERSION))
    if os.path.exists(folder):
        raise UserError(
            f"{folder} is prepared already. Use it, delete it, or name another --data_dir."
        )


def prepare(
    video_dir: str,
    lists_dir: str,
    split: int,
    data_dir: str,
    on_bad: Callable[[str, str], None],
    encoding: str = record_frames.JPEG,
    num_workers: int = 0,
) -> dict[str, int]:
    """Prepares a split. It appears when it is whole.

    Args:
        video_dir: the folder of the clips, see `ucf101.read`.
        lists_dir: the folder of the official lists.
        split: 1, 2 or 3.
        data_dir: the folder of tensorflow-datasets.
        on_bad: called with each clip of the lists that is missing, before any is decoded, and with
            each that cannot be decoded; and with the reason.
        encoding: `jpeg`, of quality 95, or `png`, which loses nothing and is about five times
            larger.
        num_workers: processes that decode; 0 decodes in this one.

    Returns:
        The number of clips in `train` and in `test`.

    Raises:
        UserError: the lists or the clips are not there, no clip of a list can be decoded, or the
            folder cannot be written.
    """
    check(split, data_dir)
    videos, missing = ucf101.read(lists_dir, split, video_dir)
    for name in missing:
        on_bad(os.path.join(video_dir, name), "is not there")
    labels = {label for video in videos for label in video.labels}
    labels |= {name.split("/")[0] for name in missing}
    counts: dict[str, int] = {}
    with ProgressReport(f"Preparing ucf101_{split}", len(videos), "clips") as progress:
        examples = {
            part: _examples(part, own, encoding, num_workers, on_bad, progress, counts)
            for part in (ucf101.TRAIN, ucf101.TEST)
            for own in [[video for video in videos if video.split == part]]
            if own
        }
        # The order of the classes is that of classInd.txt and of tensorflow-datasets.
        _write(
            Ucf101(
                sorted(labels, key=str.lower),
                encoding,
                examples,
                config=f"ucf101_{split}",
                data_dir=data_dir,
            )
        )
    return counts


def _write(builder: Ucf101) -> None:
    tfds.display_progress_bar(False)  # The progress is shown by clips, which it cannot count ahead.
    try:
        with (
            tempfile.TemporaryDirectory() as unused,
            # It would announce a download.
            contextlib.redirect_stdout(io.StringIO()),
            files.writing(builder.data_dir),
        ):
            builder.download_and_prepare(download_dir=unused)
    except tf.errors.OpError as error:
        raise UserError(f"Cannot write {builder.data_dir}: {first_line(error)}") from None


def _examples(
    part: str,
    videos: list[Video],
    encoding: str,
    num_workers: int,
    on_bad: Callable[[str, str], None],
    progress: ProgressReport,
    counts: dict[str, int],
) -> Iterator[tuple[str, dict]]:
    """The examples of a list, by name. What cannot be decoded is reported and left out."""
    counts[part] = 0
    tasks = ((video.path, encoding) for video in videos)
    with contextlib.closing(workers.ordered(record_frames.encode, tasks, num_workers)) as results:
        for video, frames in zip(videos, results, strict=True):
            progress.advance(1)
            if isinstance(frames, str):
                on_bad(video.path, frames)
                continue
            counts[part] += 1
            yield (
                video.id,
                {
                    "video": frames,
                    "label": video.labels[0],
                    "filename": video.id,
                    "group": video.group,
                },
            )
    if not counts[part]:
        raise UserError(f"None of the {len(videos)} clips for `{part}` can be decoded.")
