"""MAP@K and GAP of rated segments, as one state that batches update and states merge into."""

from typing import Any

import numpy as np

from yt8m.metrics.inputs import as_probabilities
from yt8m.metrics.pooled_pairs import PooledPairs

# Places of a class that count: K of MAP@K, 2019.
CUT = 100_000
# The places of a file are ranked as float32, which holds every integer up to here.
_MOST_PLACES = 2**24


class SegmentEvaluation:
    """MAP@K, the metric of YouTube-8M 2019, and GAP, over rated (segment, class) pairs.

    A class's rated segments are ranked by their score for it; segments that nobody rated for the
    class do not take part. The average precision of the first `cut` places is divided by the
    number of rated positives of the class, and averaged over the classes that have one. GAP ranks
    the rated pairs of all classes in one list.

    `update` takes score matrices, `update_ranked` the places of a submission file; `merge` adds
    the state of other segments. The result does not depend on the order of segments, on how they
    were cut into batches, or on the order of merges. Equal scores of a class have no order: each
    group of them counts at its expected value over random orders (see `average_precision`). Where
    the cut falls into such a group, the places before the cut count, at their expected value,
    and the rest of the group is not retrieved.

    A class that is rated more than once in a segment counts once, as positive if any of its
    ratings is.

    Memory: 6 bytes a rated pair, 8 above 32768 classes. States pickle.

    Args:
        num_classes: number of classes.
        cut: places of each class that count, from the best.

    Raises:
        ValueError: if num_classes or cut is not positive.

    Example:
        Two segments, of which the first is rated for the classes 0 and 2, the second for 0:

        >>> import numpy as np
        >>> from yt8m import metrics
        >>> evaluation = metrics.SegmentEvaluation(num_classes=3)
        >>> scores = np.array([[0.9, 0.5, 0.2], [0.4, 0.1, 0.8]])
        >>> evaluation.update(scores, labels=[[0, 2], [0, -1]], label_scores=[[0, 1], [1, 0]])
        >>> result = evaluation.result()
        >>> result["map_at_k"], result["num_ratings"]  # Class 0: 1/2; class 2: 1/1.
        (0.75, 3)
    """

    def __init__(self, num_classes: int, cut: int = CUT):
        for name, value in (("num_classes", num_classes), ("cut", cut)):
            if value < 1:
                raise ValueError(f"{name} must be positive. Received: {name}={value}.")
        self.num_classes = num_classes
        self.cut = cut
        self._num_segments = 0
        self._loss_sum = 0.0
        self._loss_segments = 0
        self._rated = np.zeros(num_classes, np.int64)
        self._positives = np.zeros(num_classes, np.int64)
        self._pairs = PooledPairs(num_classes)
        # Whether scores of different classes compare, so that GAP means something.
        self._comparable = True

    def update(
        self,
        scores: np.ndarray,
        labels: np.ndarray,
        label_scores: np.ndarray,
        losses: np.ndarray | None = None,
    ) -> None:
        """Adds a batch of segments with a score for every class.

        Args:
            scores: (batch, num_classes), probabilities.
            labels: (batch, most ratings), the rated classes of each segment, padded with -1.
            label_scores: the same shape, the ratings: positive above one half, see `is_positive`.
            losses: (batch,) the loss of each segment. None if not known.

        Raises:
            ValueError: on shapes that do not fit, scores that are NaN or outside [0, 1], or a
                class out of range. The state is then unchanged.
        """
        scores = as_probabilities(scores, self.num_classes)
        labels, label_scores = np.asarray(labels), np.asarray(label_scores)
        if labels.shape != label_scores.shape or labels.shape[:1] != scores.shape[:1]:
            raise ValueError(
                f"labels and label_scores must be of shape ({len(scores)}, most ratings). "
                f"Received: labels.shape={labels.shape}, label_scores.shape={label_scores.shape}."
            )
        losses = None if losses is None else np.asarray(losses, np.float64)
        if losses is not None and losses.shape != (len(scores),):
            raise ValueError(
                f"losses must be of shape ({len(scores)},). Received: shape={losses.shape}."
            )
        rows, columns = np.nonzero(labels >= 0)
        classes = labels[rows, columns].astype(np.int64)
        self._check_classes(classes)
        pairs, hits = merge_ratings(
            rows * self.num_classes + classes, is_positive(label_scores[rows, columns])
        )
        classes = pairs % self.num_classes
        self._count(classes, hits)
        self._pairs.update(scores.reshape(-1)[pairs], classes, hits)
        self._num_segments += len(scores)
        if losses is not None:
            self._loss_sum += float(losses.sum())
            self._loss_segments += len(losses)

    def update_ranked(self, places: np.ndarray, classes: np.ndarray, hits: np.ndarray) -> None:
        """Adds rated pairs of which only the places in the lists of their classes are known.

        GAP compares pairs of different classes, and places in different lists do not compare. So
        GAP is None from here on.

        Args:
            places: (pairs,), integers, the place of the segment in the list of the class, from 0;
                -1 where the list lacks it. Places between them are not rated, and do not count.
            classes: (pairs,), integers, the rated class.
            hits: (pairs,), bool, whether the rating is positive.

        Raises:
            ValueError: on lengths that differ, or a class or a place out of range. The state is
                then unchanged.
        """
        places, classes, hits = np.asarray(places), np.asarray(classes), np.asarray(hits)
        if places.ndim != 1 or not places.shape == classes.shape == hits.shape:
            raise ValueError(
                "places, classes and hits must be vectors of one length. Received: shapes "
                f"{places.shape}, {classes.shape} and {hits.shape}."
            )
        if places.size and not -1 <= places.min() <= places.max() < _MOST_PLACES:
            raise ValueError(
                f"places must be in [-1, {_MOST_PLACES}). "
                f"Received: values from {places.min()} to {places.max()}."
            )
        self._check_classes(classes)
        self._comparable = False
        self._count(classes, hits)
        retrieved = np.where(places >= 0, classes, -1)
        self._pairs.update(-places.astype(np.float32), retrieved, hits)

    def merge(self, other: "SegmentEvaluation") -> None:
        """Adds the segments of another state to this one.

        Args:
            other: a state with the same num_classes and cut; left as it is.

        Raises:
            ValueError: if num_classes or cut differ.
        """
        if (self.num_classes, self.cut) != (other.num_classes, other.cut):
            raise ValueError(
                "Only evaluations with the same num_classes and cut merge. Received: "
                f"num_classes={self.num_classes}, cut={self.cut} and "
                f"num_classes={other.num_classes}, cut={other.cut}."
            )
        self._num_segments += other._num_segments
        self._loss_sum += other._loss_sum
        self._loss_segments += other._loss_segments
        self._rated += other._rated
        self._positives += other._positives
        self._pairs.merge(other._pairs)
        self._comparable = self._comparable and other._comparable

    def result(self) -> dict[str, Any]:
        """Returns the metrics of all segments so far.

        Returns:
            map_at_k: mean over classes with a positive of the average precision of the first
                `cut` places.
            gap: average precision of all rated pairs in one list; None if some came as places.
            loss: mean over the segments that came with one; None if none did.
            k: the cut.
            num_segments: segments with scores; None if some pairs came as places.
            num_ratings, num_positive_ratings: rated (segment, class) pairs, and those that are
                positive.
            num_rated_classes, num_classes_with_positives: classes with a rating, and with a
                positive one.

        Raises:
            ValueError: if no rating is positive.
        """
        precision = self.per_class()["average_precision"]
        present = self._positives > 0
        num_positives = int(self._positives.sum())
        gap = self._pairs.average_precision(num_positives) if self._comparable else None
        return {
            "map_at_k": float(precision[present].mean()),
            "gap": gap,
            "loss": self._loss_sum / self._loss_segments if self._loss_segments else None,
            "k": self.cut,
            "num_segments": self._num_segments if self._comparable else None,
            "num_ratings": self.num_ratings,
            "num_positive_ratings": num_positives,
            "num_rated_classes": int(np.count_nonzero(self._rated)),
            "num_classes_with_positives": int(np.count_nonzero(present)),
        }

    def per_class(self) -> dict[str, np.ndarray]:
        """Returns the metrics of each class, arrays of shape (num_classes,).

        Returns:
            rated: segments that are rated for the class, int64.
            positives: how many of them are positive, int64.
            average_precision: of the first `cut` places; NaN without a positive.

        Raises:
            ValueError: if no rating is positive.
        """
        if not self.num_positive_ratings:
            raise ValueError(
                "No rating is positive, so no metric is defined. "
                f"Received: num_ratings={self.num_ratings}, num_positive_ratings=0."
            )
        return {
            "rated": self._rated.copy(),
            "positives": self._positives.copy(),
            "average_precision": self._pairs.class_average_precision(self._positives, self.cut),
        }

    @property
    def num_ratings(self) -> int:
        """The rated (segment, class) pairs so far."""
        return int(self._rated.sum())

    @property
    def num_positive_ratings(self) -> int:
        """The pairs among them that are positive."""
        return int(self._positives.sum())

    def _count(self, classes: np.ndarray, hits: np.ndarray) -> None:
        self._rated += np.bincount(classes, minlength=self.num_classes)
        self._positives += np.bincount(classes[hits], minlength=self.num_classes)

    def _check_classes(self, classes: np.ndarray) -> None:
        if classes.size and not 0 <= classes.min() <= classes.max() < self.num_classes:
            raise ValueError(
                f"classes must be in [0, {self.num_classes}). "
                f"Received: values from {classes.min()} to {classes.max()}."
            )


def is_positive(label_scores: np.ndarray) -> np.ndarray:
    """Whether ratings say that the class is there: those of YouTube-8M are 1 or 0.

    Example:
        >>> import numpy as np
        >>> is_positive(np.array([1.0, 0.0])).tolist()
        [True, False]
    """
    return np.asarray(label_scores) > 0.5


def merge_ratings(pairs: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns each rated pair once.

    Args:
        pairs: (ratings,), integers, the same for ratings of one segment and class.
        positive: (ratings,), bool.

    Returns:
        pairs: (distinct pairs,), ascending.
        positive: (distinct pairs,), bool, whether any rating of the pair is positive.

    Example:
        >>> import numpy as np
        >>> pairs, positive = merge_ratings(np.array([7, 4, 7]), np.array([False, False, True]))
        >>> pairs.tolist(), positive.tolist()
        ([4, 7], [False, True])
    """
    distinct, pair_of = np.unique(pairs, return_inverse=True)
    merged = np.zeros(len(distinct), bool)
    merged[pair_of[positive]] = True
    return distinct, merged
