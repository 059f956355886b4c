"""How videos make the units of a layer answer, and what their strongest answers are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.data.read_log import FAIL
from yt8m.data.video.video_log import VideoLog
from yt8m.evaluation import predicting
from yt8m.interpretation import first_clips
from yt8m.interpretation.first_clips import Clip
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

    def describe(self, classes: Sequence[str], clip: Clip, unit: int, video: int) -> list[str]:
        """What stands above the picture of an activation.

        Args:
            classes: their names.
            clip: of the video.
            unit: the unit.
            video: the number of the video.
        """
        labels = ", ".join(classes[label] for label in clip["labels"] if label >= 0)
        where = ""
        if max(self.shape) > 1:
            place = np.unravel_index(self.places[video, unit], self.shape)
            axes = [(int(p), n) for p, n in zip(place, self.shape, strict=True) if n > 1]
            where = (
                f", at {', '.join(str(p) for p, _ in axes)} of "
                f"{' x '.join(str(n) for _, n in axes)}"
            )
        return [
            first_clips.name_of(clip) + (f" ({labels})" if labels else ""),
            f"activation {self.strengths[video, unit]:.3g}{where}",
        ]


def look(units: Units, reader) -> Responses:
    """Finds where each video makes each unit answer most.

    Args:
        units: of a layer.
        reader: of a clip of each video.

    Raises:
        UserError: the layer answers NaN, or nothing can be read.
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
) -> Iterator[tuple[int, int, Clip, dict[str, np.ndarray]]]:
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
    items = reader.without_left_out().items  # Those that the responses are of.
    again = dataclasses.replace(
        reader, items=[items[video] for video in needed], batch_size=1, log=VideoLog(FAIL)
    )
    total = sum(map(len, chosen.values()))
    with ProgressReport(f"Projecting ({units.method})", total, "activations") as progress:
        for video, clip in zip(needed, first_clips.each_clip(again), strict=True):
            for unit, videos in chosen.items():
                if video in videos:
                    place = responses.places[video, unit]
                    yield unit, video, clip, units.project(clip, unit, place)
                    progress.advance(1)
