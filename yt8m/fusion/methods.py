"""How the scores of several runs become one: an average, or a linear SVM."""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
from absl import logging

from yt8m.base.errors import UserError
from yt8m.fusion.splits import Split, single_labels

_MAX_ITERATIONS = 10_000


@dataclasses.dataclass(frozen=True)
class Average:
    """The weighted mean of the runs' scores.

    Attributes:
        weights: (runs,) of 0 and more; only their ratios matter.
    """

    weights: np.ndarray

    def fuse(self, split: Split, fit_split: Split | None = None) -> np.ndarray:
        """(videos, classes) float32; there is nothing to fit."""
        scores = split.video_scores()
        total = np.zeros(scores[0].shape)
        shares = self.weights / self.weights.sum()
        for weight, part in zip(shares, scores, strict=True):
            total += weight * part
        return total.astype(np.float32)


class LinearSvm:
    """A linear SVM on the runs' scores, L2-normalised each by itself and joined.

    As Simonyan and Zisserman, Two-Stream Convolutional Networks for Action Recognition in Videos,
    2014, sections 3 and 6; one against the rest.

    Args:
        c: the penalty of an error on the videos that it is fitted on.

    Raises:
        UserError: c is not positive, or scikit-learn is not installed.
    """

    def __init__(self, c: float = 1.0):
        if not (c > 0 and math.isfinite(c)):
            raise UserError(f"--svm_c must be positive. Received: {c}.")
        try:
            from sklearn import exceptions, svm
        except ImportError:
            raise UserError(
                "--method=svm needs scikit-learn, which is not installed. Install it with "
                "pip install 'yt8m[video]', or use --method=average."
            ) from None
        self.c = c
        self._not_converged = exceptions.ConvergenceWarning
        self._make = svm.LinearSVC

    def fuse(self, split: Split, fit_split: Split) -> np.ndarray:
        """Fits on the videos of one split, and scores those of another; see `check_fit`.

        Returns:
            (videos, classes) float32 from 0 to 1: (1 + d / (1 + |d|)) / 2 of the decision value d,
            which keeps its order. A class that no video is fitted on has 0.

        Raises:
            UserError: a video to fit on has not one label.
        """
        truth = single_labels(fit_split)
        present = np.unique(truth)
        if len(present) < len(split.classes):
            missing = len(split.classes) - len(present)
            logging.warning("%s has no video of %d class(es).", fit_split.paths[0], missing)
        logging.info("Fitting a linear SVM on %d videos.", len(truth))
        model = self._make(C=self.c, dual="auto", random_state=0, max_iter=_MAX_ITERATIONS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self._not_converged)
            model.fit(_joined(fit_split), truth)
        if np.max(model.n_iter_) >= _MAX_ITERATIONS:
            logging.warning("The SVM did not converge. A smaller --svm_c converges sooner.")
        decisions = model.decision_function(_joined(split))
        if decisions.ndim == 1:  # Of two classes it tells the second.
            decisions = np.stack([-decisions, decisions], axis=1)
        scores = np.zeros((len(split.ids), len(split.classes)), np.float32)
        scores[:, present] = (1 + decisions / (1 + np.abs(decisions))) / 2
        return scores


def _joined(split: Split) -> np.ndarray:
    """(videos, runs * classes) float64, the scores of each run at length 1."""
    scores = [part.astype(np.float64) for part in split.video_scores()]
    lengths = [np.linalg.norm(part, axis=1, keepdims=True) for part in scores]
    pairs = zip(scores, lengths, strict=True)
    return np.concatenate([part / np.where(length > 0, length, 1) for part, length in pairs], 1)
