"""Kinetics-400, -600 and -700: https://deepmind.google/research/open-source/kinetics.

A CSV for each split, `label,youtube_id,time_start,time_end,split` and in some releases `is_cc`; the
labels of some test splits are held back, and their column is missing. A clip is ten seconds of a
video. The program that the authors name to fetch them
(https://github.com/activitynet/ActivityNet/tree/master/Crawler/Kinetics) cuts them, and calls them
by the video and whole seconds of six digits: `---QUuC4vJs_000084_000094.mp4`.
"""

from __future__ import annotations

from collections.abc import Iterator

from yt8m.base.errors import UserError
from yt8m.data.video.sources.annotations import lists
from yt8m.data.video.sources.annotations.lists import Line

_NEEDED = ("youtube_id", "time_start", "time_end", "split")


def read(path: str) -> Iterator[Line]:
    """Reads the lists, a file or the .csv files of a folder.

    A clip is found cut, or else in the whole video `ID.mp4`, of which it is a part then. Its group
    is the video. Splits are called as in the lists: `train`, `val` or `validate`, `test`.

    Args:
        path: the file or the folder.

    Raises:
        UserError: a list cannot be read or has another form.
    """
    for file, _ in lists.files(path, rf".+\.csv{lists.GZIP}", "train.csv"):
        for where, row in lists.rows(file, _NEEDED):
            video = row["youtube_id"]
            span = lists.span(row["time_start"], row["time_end"], where)
            if not video or not row["split"] or span is None:
                raise UserError(
                    f"{where} must name a video, its split, and an end behind its start. Received: "
                    f"{','.join(row.values())[:80]!r}."
                )
            cut = f"{video}_{int(span.first):06d}_{int(span.key[1]):06d}"
            labels = (row["label"],) if row.get("label") else ()
            yield Line(cut, ((cut, None), (video, span)), labels, video, row["split"])
