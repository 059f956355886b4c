"""The metrics of an evaluation that sees several views of each video.

A view is one crop of one clip. Needs no TensorFlow.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from yt8m.data import labels as labels_lib
from yt8m.metrics import Evaluation
from yt8m.metrics.inputs import as_probabilities

_PADDING = -1
# The id, the labels and the scores of a view.
_Row = tuple[str, np.ndarray, np.ndarray]


class ViewEvaluation:
    """Clip Hit@1, and the metrics of `metrics.Evaluation` on the means of the views.

    Clip Hit@1 judges each view by itself; video Hit@1 and every other metric judge the mean of
    the probabilities of a video's views (Karpathy et al., 2014; Simonyan and Zisserman, 2014).
    As in `Evaluation`, the class with the lower number comes first among equal scores in Hit@k,
    and an average precision gives them their expected value.

    Args:
        num_classes: the size of the vocabulary.
        top_k: length of the lists that GAP and mAP pool.

    Example:
        One video, of which two clips of one crop each were seen:

        >>> import numpy as np
        >>> from yt8m.metrics import views
        >>> evaluation = views.ViewEvaluation(num_classes=2)
        >>> evaluation.update(np.array([[[[0.9, 0.1]], [[0.4, 0.6]]]]), labels=np.array([[0]]))
        >>> result = evaluation.result()
        >>> result["clip_hit_at_1"], result["video_hit_at_1"]
        (0.5, 1.0)
    """

    def __init__(self, num_classes: int, top_k: int = 20):
        self.num_classes = num_classes
        self._videos = Evaluation(num_classes, top_k)
        self._shape: tuple[int, int] | None = None
        self._num_views = 0
        self._hits = 0

    def update(
        self, scores: np.ndarray, labels: np.ndarray, loss: float | np.ndarray | None = None
    ) -> None:
        """Adds a batch of videos with all their views.

        Args:
            scores: (batch, clips, crops, num_classes), probabilities.
            labels: (batch, num_classes) bool, or (batch, width) integers: class ids padded
                with -1.
            loss: the mean over the batch, or (batch,) one a video. None if not known.

        Raises:
            ValueError: on shapes that do not fit or change, scores that are NaN or outside
                [0, 1], or a class outside the vocabulary. The state is then unchanged.
        """
        scores = np.asarray(scores)
        if (
            scores.ndim != 4
            or self._shape not in (None, scores.shape[1:3])
            or 0 in scores.shape[1:]
        ):
            raise ValueError(
                "scores must be of shape (batch, clips, crops, num_classes), with as many clips "
                f"and crops in all batches. Received: shape={scores.shape}, before: {self._shape}."
            )
        flat = as_probabilities(scores.reshape(-1, scores.shape[3]), self.num_classes)
        truth = labels_lib.multi_hot_array(
            as_class_ids(labels, len(scores), self.num_classes), self.num_classes
        )
        self._videos.update(mean_of_views(flat.reshape(scores.shape)), truth, loss)
        # The first of the highest is the one that `metrics.top_k` takes.
        best = flat.argmax(axis=1).reshape(len(scores), -1)
        self._hits += int(np.count_nonzero(np.take_along_axis(truth, best, axis=1)))
        self._num_views += best.size
        self._shape = scores.shape[1:3]

    def result(self) -> dict[str, Any]:
        """Returns the metrics of all videos so far.

        Returns:
            clip_hit_at_1: share of views whose best class is a label of the video.
            video_hit_at_1, video_hit_at_5: share of videos with a label among the 1 or 5 best
                classes of the mean over the views.
            The other metrics of `metrics.Evaluation.result`, of the same means.
            num_clips, num_crops: views of each video, clips times crops.

        Raises:
            ValueError: there are no videos, or none has a label.
        """
        videos = self._videos.result()
        clips, crops = self._shape or (0, 0)
        hits = {
            "clip_hit_at_1": self._hits / self._num_views,
            "video_hit_at_1": videos.pop("hit_at_1"),
            "video_hit_at_5": videos.pop("hit_at_5"),
        }
        return hits | videos | {"num_clips": clips, "num_crops": crops}

    def per_class(self) -> dict[str, np.ndarray]:
        """Returns the metrics of each class, see `metrics.Evaluation.per_class`."""
        return self._videos.per_class()


def whole_videos(
    batches: Iterable[tuple[Sequence[str], np.ndarray, np.ndarray]],
    num_clips: int,
    num_crops: int,
    may_miss: Callable[[str], bool] = lambda _: False,
) -> Iterator[tuple[list[str], np.ndarray, np.ndarray]]:
    """Joins batches of views to batches of videos, as `ViewEvaluation` takes them.

    Args:
        batches: ids, labels (batch, width) and scores (batch, classes), a row a view. The views
            of a video follow each other, the crops of a clip together.
        num_clips: of a video.
        num_crops: of a clip.
        may_miss: whether a video of an id may have too few views: then they are passed over.

    Yields:
        Ids, labels (videos, width) and scores (videos, num_clips, num_crops, classes) of the
        videos that each batch completes; nothing of a batch that completes none.

    Raises:
        ValueError: views of two videos stand where those of one should be, or the last video has
            too few.

    Example:
        >>> import numpy as np
        >>> from yt8m.metrics import views
        >>> labels, scores = np.array([[3], [3]]), np.array([[0.9, 0.1], [0.4, 0.6]])
        >>> batches = [(["a", "a"], labels, scores)]
        >>> for ids, labels, scores in views.whole_videos(batches, num_clips=2, num_crops=1):
        ...     print(ids, labels.tolist(), scores.shape)
        ['a'] [[3]] (1, 2, 1, 2)
    """
    views = num_clips * num_crops
    rows: list[_Row] = []
    for batch in batches:
        rows += zip(*batch, strict=True)
        place, videos = 0, []
        while place < len(rows):
            video = list(_of_first_video(rows[place : place + views]))
            if len(video) == views:
                videos.append(video)
            elif place + len(video) == len(rows):
                break  # The rest of it comes with the next batch.
            elif not may_miss(video[0][0]):
                received = [row[0] for row in rows[place : place + views]]
                raise ValueError(f"A video must have {views} views. Received: {received}.")
            place += len(video)
        del rows[:place]
        if videos:
            ids, labels = [video[0][0] for video in videos], [video[0][1] for video in videos]
            scores = np.stack([row[2] for video in videos for row in video])
            yield ids, np.stack(labels), scores.reshape(len(videos), num_clips, num_crops, -1)
    if rows and not may_miss(rows[0][0]):
        raise ValueError(
            f"A video must have {views} views. Received: {len(rows)} of {rows[0][0]!r}."
        )


def _of_first_video(rows: list[_Row]) -> Iterator[_Row]:
    return itertools.takewhile(lambda row: row[0] == rows[0][0], rows)


def mean_of_views(scores: np.ndarray) -> np.ndarray:
    """(videos, clips, crops, classes) to (videos, classes) float32, summed in float64.

    Example:
        >>> import numpy as np
        >>> from yt8m.metrics import views
        >>> views.mean_of_views(np.array([[[[1.0, 0.0]], [[0.5, 0.25]]]])).tolist()
        [[0.75, 0.125]]
    """
    videos, clips, crops, classes = scores.shape
    views = scores.reshape(videos, clips * crops, classes)
    return views.mean(axis=1, dtype=np.float64).astype(np.float32)


def as_class_ids(labels: np.ndarray, num_videos: int, num_classes: int) -> np.ndarray:
    """Labels of either form as (videos, width) int32 class ids, padded with -1.

    Args:
        labels: (videos, num_classes) bool, or (videos, width) integers: class ids with -1 where
            there is none.
        num_videos: how many there must be.
        num_classes: the size of the vocabulary.

    Raises:
        ValueError: on another shape or type, or a class outside the vocabulary.

    Example:
        >>> import numpy as np
        >>> from yt8m.metrics import views
        >>> labels = np.array([[True, False, True], [False, True, False]])
        >>> views.as_class_ids(labels, num_videos=2, num_classes=3).tolist()
        [[0, 2], [1, -1]]
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or len(labels) != num_videos:
        raise ValueError(
            f"labels must be a matrix of {num_videos} row(s). Received: shape={labels.shape}."
        )
    if labels.dtype == bool:
        if labels.shape[1] != num_classes:
            raise ValueError(
                f"labels that are bools must have {num_classes} columns. "
                f"Received: shape={labels.shape}."
            )
        width = max(1, int(labels.sum(axis=1).max(initial=0)))
        order = np.argsort(~labels, axis=1, kind="stable")[:, :width]
        return np.where(np.take_along_axis(labels, order, axis=1), order, _PADDING).astype("<i4")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be bools or integers. Received: dtype={labels.dtype}.")
    if labels.size and not _PADDING <= labels.min() <= labels.max() < num_classes:
        raise ValueError(
            f"labels must be below {num_classes}, or -1 for none. "
            f"Received: values from {labels.min()} to {labels.max()}."
        )
    return widened(labels, max(1, labels.shape[1])).astype("<i4")


def widened(labels: np.ndarray, width: int) -> np.ndarray:
    """Class ids with more columns of padding.

    Example:
        >>> import numpy as np
        >>> from yt8m.metrics import views
        >>> views.widened(np.array([[5, 2]]), width=3).tolist()
        [[5, 2, -1]]
    """
    return np.pad(labels, [(0, 0), (0, width - labels.shape[1])], constant_values=_PADDING)
