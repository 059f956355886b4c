"""Every metric of an evaluation, as one state that batches update and states merge into."""

from typing import Any

import numpy as np

from yt8m.metrics.full_scores import FullScores
from yt8m.metrics.inputs import as_multi_hot, as_probabilities, as_ranked_lists
from yt8m.metrics.pooled_pairs import PooledPairs
from yt8m.metrics.topk import top_k as highest

# Labels that a video is annotated with for precision and recall, as in Gong et al. (2013).
ANNOTATIONS = 3
# Hit@k is reported for k = 1 and this.
HIT_K = 5


class Evaluation:
    """GAP, Hit@k, PERR, mAP, precision, recall and loss of multi-label predictions.

    `update` takes whole score matrices, `update_top_k` lists of the best classes, as a submission
    file has them; `merge` adds the state of other videos. The result does not depend on the order
    of videos, on how they were cut into batches, or on the order of merges: counts are integers,
    and average precision gives equal scores their expected value. Only the mean loss is a
    floating-point sum, equal to about 1e-15 of its value. States pickle.

    Scores are ranked as float32.

    Memory: the pairs of the top lists take 6 bytes each, so 1.1 million videos with top_k 20 and
    3862 classes are 22 million pairs and 132 MB; `result` needs about 600 MB more while it sorts
    them. The score matrix behind `map_full` takes up to `map_full_bytes` (1.1 million videos would
    be 17 GB), and 245 MB as histograms above that. With `update_top_k` there is none.

    Args:
        num_classes: number of classes.
        top_k: length of the lists that GAP and mAP pool.
        map_full_bytes: budget for holding the score matrix. While it fits, `map_full` is exact;
            above, the matrix is counted into histograms with 128 bins an octave. `map_full` is then
            off by about 1e-5; a class with one or two positives by up to a few hundredths.

    Raises:
        ValueError: if num_classes or top_k is not positive, or map_full_bytes is negative.

    Example:
        >>> import numpy as np
        >>> from yt8m import metrics
        >>> evaluation = metrics.Evaluation(num_classes=3)
        >>> evaluation.update(np.array([[0.9, 0.2, 0.1]]), np.array([[1, 0, 0]]))
        >>> evaluation.update(np.array([[0.8, 0.7, 0.3]]), np.array([[0, 1, 0]]))
        >>> result = evaluation.result()
        >>> result["hit_at_1"], round(result["gap"], 4)  # (1/1 + 2/3) / 2
        (0.5, 0.8333)
    """

    def __init__(self, num_classes: int, top_k: int = 20, map_full_bytes: int = 2**30):
        for name, value in (("num_classes", num_classes), ("top_k", top_k)):
            if value < 1:
                raise ValueError(f"{name} must be positive. Received: {name}={value}.")
        if map_full_bytes < 0:
            raise ValueError(
                "map_full_bytes must not be negative; 0 means histograms from the start. "
                f"Received: map_full_bytes={map_full_bytes}."
            )
        self.num_classes = num_classes
        self.top_k = top_k
        self.map_full_bytes = map_full_bytes
        self._num_examples = 0
        self._hits_at_1 = 0
        self._hits_at_5 = 0
        self._loss_sum = 0.0
        self._loss_examples = 0
        # Entry L sums, over videos with L labels, the labels found among the L highest classes.
        self._equal_rate_hits = np.zeros(num_classes + 1, np.int64)
        self._positives = np.zeros(num_classes, np.int64)
        self._annotated = np.zeros(num_classes, np.int64)
        self._annotated_right = np.zeros(num_classes, np.int64)
        self._pairs = PooledPairs(num_classes)
        # None once a video came of which only the top list is known.
        self._full: FullScores | None = FullScores(num_classes, map_full_bytes)

    def update(
        self, scores: np.ndarray, labels: np.ndarray, loss: float | np.ndarray | None = None
    ) -> None:
        """Adds a batch of videos with a score for every class.

        Args:
            scores: (batch, num_classes), probabilities.
            labels: (batch, num_classes), bool or 0 and 1.
            loss: the mean over the batch, or (batch,) one a video. None if not known.

        Raises:
            ValueError: on shapes that do not fit, scores that are NaN or outside [0, 1], or
                labels other than 0 and 1. The state is then unchanged.
        """
        scores = as_probabilities(scores, self.num_classes)
        labels = as_multi_hot(labels, len(scores), self.num_classes)
        losses = _as_losses(loss, len(scores))
        if not len(scores):
            return
        num_labels = self._count_labels(labels)
        # Long enough for every metric: PERR looks at as many classes as a video has labels.
        length = max(self.top_k, HIT_K, int(num_labels.max()))
        values, classes = highest(scores, length)
        self._add_lists(values, classes, labels, num_labels)
        self._add_losses(losses)
        if self._full is not None:
            self._full.update(scores, labels)

    def update_top_k(self, values: np.ndarray, classes: np.ndarray, labels: np.ndarray) -> None:
        """Adds a batch of videos of which only the best classes are known.

        GAP, Hit@k and mAP are what `update` would give, if the lists hold `top_k` classes and at
        least 5. A class outside a list counts as not predicted.

        Args:
            values: (batch, length), finite scores in any order and range.
            classes: (batch, length), integers; -1 pads shorter lists.
            labels: (batch, num_classes), bool or 0 and 1.

        Raises:
            ValueError: on shapes that do not fit, a class out of range or twice in a list, scores
                that are not finite, or labels other than 0 and 1. The state is then unchanged.
        """
        values, classes = as_ranked_lists(values, classes, self.num_classes)
        labels = as_multi_hot(labels, len(values), self.num_classes)
        if not len(values):
            return
        self._full = None
        self._add_lists(values, classes, labels, self._count_labels(labels))

    def merge(self, other: "Evaluation") -> None:
        """Adds the videos of another state to this one.

        Args:
            other: a state with the same num_classes and top_k; left as it is.

        Raises:
            ValueError: if num_classes or top_k differ.
        """
        if (self.num_classes, self.top_k) != (other.num_classes, other.top_k):
            raise ValueError(
                "Only evaluations with the same num_classes and top_k merge. Received: "
                f"num_classes={self.num_classes}, top_k={self.top_k} and "
                f"num_classes={other.num_classes}, top_k={other.top_k}."
            )
        self._num_examples += other._num_examples
        self._hits_at_1 += other._hits_at_1
        self._hits_at_5 += other._hits_at_5
        self._loss_sum += other._loss_sum
        self._loss_examples += other._loss_examples
        self._equal_rate_hits += other._equal_rate_hits
        self._positives += other._positives
        self._annotated += other._annotated
        self._annotated_right += other._annotated_right
        self._pairs.merge(other._pairs)
        if self._full is None or other._full is None:
            self._full = None
        else:
            self._full.merge(other._full)

    def result(self) -> dict[str, Any]:
        """Returns the metrics of all videos so far.

        Returns:
            gap: global average precision over the pooled top lists (GAP@top_k). The denominator
                is every label of every video, also those outside the lists.
            hit_at_1, hit_at_5: share of videos with a label among their 1 or 5 best classes.
            perr: precision at equal recall rate: mean over videos of the share of its L labels
                among its L best classes, of which only those scored above 0 count; 0 for a video
                without labels.
            map: mean over classes with a positive of the average precision over the top lists.
            map_full: the same over every score of every video; None if some videos came as lists.
            map_full_exact: whether map_full was computed from the scores themselves rather than
                from histograms; None if map_full is None.
            overall_precision_at_3, overall_recall_at_3: labels found among the 3 best classes of
                each video, over the classes given and over the labels there are (Gong et al.,
                "Deep Convolutional Ranking for Multilabel Image Annotation", 2013).
            per_class_precision_at_3, per_class_recall_at_3: the same ratios for each class, then
                the mean over classes with a positive; a class never given has precision 0.
            loss: mean over the videos that came with one; None if none did.
            num_examples, num_labels, num_classes_with_positives: counts.

        Raises:
            ValueError: if there are no videos, or none has a label.
        """
        self._check_not_empty()
        classes = self.per_class()
        present = self._positives > 0
        num_labels = int(self._positives.sum())
        full = self._full
        right, given = int(self._annotated_right.sum()), int(self._annotated.sum())
        precision = np.nan_to_num(classes["precision_at_3"][present])
        rates = self._equal_rate_hits[1:] / np.arange(1, self.num_classes + 1)
        return {
            "gap": self._pairs.average_precision(num_labels),
            "hit_at_1": self._hits_at_1 / self._num_examples,
            "hit_at_5": self._hits_at_5 / self._num_examples,
            "perr": float(rates.sum()) / self._num_examples,
            "map": float(classes["average_precision"][present].mean()),
            "map_full": None
            if full is None
            else float(classes["average_precision_full"][present].mean()),
            "map_full_exact": None if full is None else full.exact,
            "overall_precision_at_3": right / given if given else 0.0,
            "overall_recall_at_3": right / num_labels,
            "per_class_precision_at_3": float(precision.mean()),
            "per_class_recall_at_3": float(classes["recall_at_3"][present].mean()),
            "loss": self._loss_sum / self._loss_examples if self._loss_examples else None,
            "num_examples": self._num_examples,
            "num_labels": num_labels,
            "num_classes_with_positives": int(np.count_nonzero(present)),
        }

    def per_class(self) -> dict[str, np.ndarray]:
        """Returns the metrics of each class, arrays of shape (num_classes,).

        Returns:
            positives: videos that have the class, int64.
            average_precision: over the top lists; NaN without a positive.
            average_precision_full: over every score; NaN without a positive, and everywhere if
                some videos came as lists.
            precision_at_3: share of videos given the class among their 3 best that have it; NaN if
                never given.
            recall_at_3: share of videos that have the class that are given it; NaN without a
                positive.

        Raises:
            ValueError: if there are no videos, or none has a label.
        """
        self._check_not_empty()
        positives = self._positives
        return {
            "positives": positives.copy(),
            "average_precision": self._pairs.class_average_precision(positives),
            "average_precision_full": np.full(self.num_classes, np.nan)
            if self._full is None
            else self._full.average_precision(positives),
            "precision_at_3": _ratio(self._annotated_right, self._annotated),
            "recall_at_3": _ratio(self._annotated_right, positives),
        }

    def _check_not_empty(self) -> None:
        if not self._num_examples:
            raise ValueError(
                "There are no examples to evaluate: update was never called with any. "
                "Received: num_examples=0."
            )
        if not self._positives.any():
            raise ValueError(
                "No example has a label, so no metric is defined; are these test data? "
                f"Received: num_examples={self._num_examples}, num_labels=0."
            )

    def _count_labels(self, labels: np.ndarray) -> np.ndarray:
        """Counts the labels of each class, and returns those of each video, (batch,) int64."""
        rows, columns = np.nonzero(labels)
        self._positives += np.bincount(columns, minlength=self.num_classes)
        return np.bincount(rows, minlength=len(labels))

    def _add_lists(
        self, values: np.ndarray, classes: np.ndarray, labels: np.ndarray, num_labels: np.ndarray
    ) -> None:
        """Counts everything that the ranked lists of a batch decide."""
        listed = classes >= 0
        hits = listed & np.take_along_axis(labels, classes, axis=1)
        self._num_examples += len(classes)
        self._hits_at_1 += int(np.count_nonzero(hits[:, :1].any(axis=1)))
        self._hits_at_5 += int(np.count_nonzero(hits[:, :HIT_K].any(axis=1)))
        counted = np.arange(classes.shape[1]) < num_labels[:, None]
        found = np.count_nonzero(hits & counted & (values > 0), axis=1)
        np.add.at(self._equal_rate_hits, num_labels, found)
        given, right = classes[:, :ANNOTATIONS], hits[:, :ANNOTATIONS]
        size = self.num_classes
        self._annotated += np.bincount(given[listed[:, :ANNOTATIONS]], minlength=size)
        self._annotated_right += np.bincount(given[right], minlength=size)
        top = slice(None, self.top_k)
        self._pairs.update(values[:, top], classes[:, top], hits[:, top])

    def _add_losses(self, losses: np.ndarray | None) -> None:
        if losses is not None:
            self._loss_sum += float(losses.sum())
            self._loss_examples += len(losses)


def _as_losses(loss: float | np.ndarray | None, batch: int) -> np.ndarray | None:
    """Returns the loss of each video, (batch,) float64; a batch's mean stands for each."""
    if loss is None:
        return None
    losses = np.asarray(loss, np.float64)
    if losses.shape not in ((), (batch,)):
        raise ValueError(
            f"loss must be the mean over the batch, or of shape ({batch},). "
            f"Received: shape={losses.shape}."
        )
    return np.broadcast_to(losses, (batch,))


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Returns numerator / denominator, NaN where the denominator is 0."""
    quotient = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=quotient, where=denominator > 0)
