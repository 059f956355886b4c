"""The files of a timeline: the classes of each video over time, in several formats."""

from __future__ import annotations

import os
from collections.abc import Sequence

from absl import logging

from yt8m.base import files
from yt8m.base.errors import UserError
from yt8m.prediction import annotated_video, captions, chart, letters, tables, video_paths
from yt8m.prediction.answers import Answer, Naming

FORMATS = ("csv", "srt", "png", "mp4")


class Timeline:
    """Writes the timelines of videos to a folder.

    Args:
        folder: made if it is not there.
        formats: what to write of each video, of `FORMATS`.
        naming: which classes are told.
        min_score: classes below this are not in captions.
        paths: of the videos.

    Raises:
        UserError: there is no such format, or the folder cannot be written.
    """

    def __init__(
        self,
        folder: str,
        formats: Sequence[str],
        naming: Naming,
        min_score: float,
        paths: Sequence[str],
    ):
        if not formats or not set(formats) <= set(FORMATS):
            raise UserError(
                f"--timeline_formats must be of {', '.join(FORMATS)}. Received: "
                f"{','.join(formats)}."
            )
        self._formats = formats
        self._naming = naming
        self._min_score = min_score
        names = video_paths.short_names(paths)
        self._stems = {p: os.path.join(folder, n) for p, n in zip(paths, names, strict=True)}
        self._warn_of_letters()
        for stem in self._stems.values():
            for ending in formats:
                files.check_output_file(f"{stem}.{ending}")

    def _warn_of_letters(self) -> None:
        lacking = letters.missing(self._naming.names or ())
        if lacking and {"png", "mp4"} & set(self._formats):
            logging.warning(
                "The names of the classes have %d letters that %s does not have, such as %s: they "
                "are boxes in png and mp4. In csv and srt they are right.",
                len(lacking),
                letters.NAME,
                lacking[:5],
            )

    def write(self, answer: Answer) -> None:
        """Writes what is asked for of a video.

        Raises:
            VideoError: it cannot be decoded any more.
            UserError: a file cannot be written.
        """
        stem = self._stems[answer.video]
        shown = captions.captions(answer, self._naming, self._min_score)
        if "csv" in self._formats:
            tables.write_timeline(f"{stem}.csv", answer, self._naming)
        if "srt" in self._formats:
            captions.write_subtitles(f"{stem}.srt", shown)
        if "png" in self._formats:
            chart.write_chart(f"{stem}.png", answer, self._naming)
        if "mp4" in self._formats:
            annotated_video.write_annotated(f"{stem}.mp4", answer.video, shown)
