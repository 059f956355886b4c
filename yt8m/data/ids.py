"""Ids of videos: bytes in records and batches, text everywhere else. Needs no TensorFlow.

The rule for an id that comes twice: where somebody lists videos, in a manifest or a submission, it
is an error, for the list can be mended and nobody else knows which of the two is meant. In records,
of which there are millions, the first one counts for the id; later ones are left out, and one
warning counts them, see `FirstRecords`. Submissions and a teacher's scores are written by this
rule. Metrics are of records, not of ids: each record counts.
"""

from __future__ import annotations

from absl import logging


def as_text(video_id: bytes) -> str:
    r"""The id as it is compared and written; `as_bytes` gives the same bytes back.

    >>> as_text(b"caf\xc3\xa9 \xff")
    'café \udcff'
    """
    return video_id.decode(errors="surrogateescape")


def as_bytes(video_id: str) -> bytes:
    """The inverse of `as_text`."""
    return video_id.encode(errors="surrogateescape")


def shown(video_id: bytes) -> str:
    r"""The id in a message, which must be printable.

    >>> shown(b"caf\xc3\xa9 \xff")
    'café �'
    """
    return video_id.decode(errors="replace")


class FirstRecords:
    """Tells the first record of each id from later ones, which are left out: see above.

    Attributes:
        num_repeated: later ones so far.
    """

    def __init__(self):
        self.num_repeated = 0
        self._known: set[str] = set()

    def __len__(self) -> int:
        """Returns the number of ids."""
        return len(self._known)

    def add(self, video_id: str) -> bool:
        """Whether this is the first record of an id."""
        before = len(self._known)
        self._known.add(video_id)
        is_first = len(self._known) > before
        self.num_repeated += not is_first
        return is_first

    def warn(self) -> None:
        """Says how many records were left out, if any was."""
        if self.num_repeated:
            logging.warning(
                "%d records have the id of an earlier one; they are left out.", self.num_repeated
            )
