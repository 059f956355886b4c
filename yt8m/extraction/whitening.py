"""Vectors of a network to values in about [-2, 2]: what is left of them in bytes.

A folder holds what is done to a vector x, in the form in which YouTube-8M's was published:
`mean.npy` (size, 1), `eigenvals.npy` (kept, 1) and `eigenvecs.npy` (kept, size), one a row:

    eigenvecs (x - mean) / sqrt(eigenvals + 1e-4)

Where `eigenvecs.npy` has one axis, (size,), it is a diagonal: each value is scaled by itself.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterable

import numpy as np

from yt8m.base import archives, files
from yt8m.base.errors import UserError

EPSILON = 1e-4
# YouTube-8M keeps that many of the 2048 values of its network.
MOST_COMPONENTS = 1024
FILES = ("eigenvals.npy", "eigenvecs.npy", "mean.npy")


@dataclasses.dataclass(frozen=True)
class Whitening:
    """An affine map of vectors.

    Attributes:
        mean: (size,).
        eigenvals: (kept,).
        eigenvecs: (kept, size), or (size,) for a diagonal.
    """

    mean: np.ndarray
    eigenvals: np.ndarray
    eigenvecs: np.ndarray

    @property
    def num_kept(self) -> int:
        """Values of a vector afterwards."""
        return len(self.eigenvals)

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """(vectors, size) to (vectors, kept) float32."""
        centred = vectors - self.mean
        if self.eigenvecs.ndim == 1:
            projected = centred * self.eigenvecs
        else:
            projected = centred @ self.eigenvecs.T
        return (projected / np.sqrt(self.eigenvals + EPSILON)).astype(np.float32)

    def digest(self) -> str:
        """A name for the very numbers."""
        digest = hashlib.sha256()
        for values in (self.mean, self.eigenvals, self.eigenvecs):
            digest.update(np.ascontiguousarray(values, np.float32).tobytes())
        return digest.hexdigest()

    def save(self, folder: str) -> None:
        """Writes the three files, each of which appears whole.

        Raises:
            UserError: one cannot be written.
        """
        arrays = (self.eigenvals[:, None], self.eigenvecs, self.mean[:, None])
        for name, values in zip(FILES, arrays, strict=True):
            with files.atomic_path(os.path.join(folder, name)) as temporary:
                np.save(temporary, values.astype(np.float32))


def missing(folder: str) -> list[str]:
    """Which files of a whitening are not in a folder."""
    return [name for name in FILES if not os.path.exists(os.path.join(folder, name))]


def load(folder: str, size: int, components: int | None = None) -> Whitening:
    """Reads the files of a folder.

    Args:
        folder: that of the published files of YouTube-8M, or of features that were extracted.
        size: of the vectors.
        components: how many values to keep; None keeps what there is, up to 1024.

    Raises:
        UserError: a file is not there or cannot be read, or does not fit vectors of that size.
    """
    arrays = {name: _read(os.path.join(folder, name)) for name in FILES}
    mean, eigenvals = arrays["mean.npy"].reshape(-1), arrays["eigenvals.npy"].reshape(-1)
    eigenvecs = arrays["eigenvecs.npy"]
    is_diagonal = eigenvecs.ndim == 1
    there = min(len(eigenvals), len(eigenvecs))
    kept = there if is_diagonal else components or min(there, MOST_COMPONENTS)
    shapes = ", ".join(f"{name} {list(values.shape)}" for name, values in arrays.items())
    if mean.size != size or eigenvecs.ndim > 2 or eigenvecs.shape[-1] != size or not there:
        raise UserError(
            f"The files of {folder} do not fit the {size} values of the network: {shapes}. Name "
            "those of this network, or another --backbone."
        )
    if is_diagonal and components not in (None, size):
        raise UserError(
            f"The files of {folder} scale each of {size} values by itself, so that all are kept. "
            f"Received: --pca_components={components}. Leave it out."
        )
    if kept > there:
        raise UserError(
            f"The files of {folder} hold {there} components ({shapes}). "
            f"Received: --pca_components={kept}."
        )
    if eigenvals[:kept].min() <= -EPSILON:
        raise UserError(f"{os.path.join(folder, FILES[0])} holds negative values.")
    return Whitening(mean, eigenvals[:kept], eigenvecs if is_diagonal else eigenvecs[:kept])


@dataclasses.dataclass(frozen=True)
class Moments:
    """What is known of many vectors. Those of parts merge.

    Attributes:
        count: how many vectors.
        total: (size,) their sum.
        products: the sum of their products: (size, size) of each two values, or (size,) of each
            with itself.
    """

    count: int
    total: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, of_pairs: bool) -> Moments:
        """Those of (vectors, size); `of_pairs` as of `products`."""
        exact = vectors.astype(np.float64)
        products = exact.T @ exact if of_pairs else np.sum(exact**2, axis=0)
        return cls(len(vectors), exact.sum(axis=0), products)

    def merge(self, other: Moments) -> Moments:
        """Those of both."""
        return Moments(
            self.count + other.count, self.total + other.total, self.products + other.products
        )

    def save(self, path: str) -> None:
        """Writes them to an .npz file, which appears whole.

        Raises:
            UserError: it cannot be written.
        """
        with files.atomic_path(path) as temporary:
            np.savez(temporary, count=self.count, total=self.total, products=self.products)

    @classmethod
    def load(cls, path: str) -> Moments:
        """The inverse of `save`."""
        with np.load(path) as file:
            return cls(int(file["count"]), file["total"], file["products"])


def merge(parts: Iterable[Moments | None]) -> Moments | None:
    """Those of all parts; None where there are none."""
    merged = None
    for moments in parts:
        if moments is not None:
            merged = moments if merged is None else merged.merge(moments)
    return merged


def fit(moments: Moments, components: int) -> Whitening:
    """The whitening that makes vectors like these have mean 0 and variance 1.

    Vectors are first scaled to a mean variance of 1, so that the 1e-4 of the formula, which keeps
    what hardly varies from growing, means the same for every network.

    Args:
        moments: of the vectors, of pairs where there are components.
        components: the principal components to keep; 0 scales each value by itself.

    Raises:
        UserError: there are too few vectors, or all are the same.
    """
    needed = max(2, components + 1)
    if moments.count < needed:
        raise UserError(
            f"The scale of the features is fitted to {needed} frames at least; the videos have "
            f"{moments.count} that can be decoded. Name more videos, lower "
            "--pca_components, or name a folder with --pca_dir."
        )
    mean = moments.total / moments.count
    of_pairs = moments.products.ndim == 2
    squares = np.outer(mean, mean) if of_pairs else mean**2
    covariance = moments.products / moments.count - squares
    variance = np.diagonal(covariance) if of_pairs else covariance
    if not variance.mean() > 1e-12 * np.mean(mean**2):
        raise UserError(
            "The network answers the same to every frame. Check --weights and the videos."
        )
    scale = 1 / np.sqrt(variance.mean())
    if not components:
        return Whitening(mean, np.maximum(variance, 0) * scale**2, np.full(len(mean), scale))
    values, vectors = np.linalg.eigh(covariance * scale**2)
    order = np.argsort(values)[::-1][:components]
    return Whitening(mean, np.maximum(values[order], 0), vectors.T[order] * scale)


def _read(path: str) -> np.ndarray:
    try:
        values = np.asarray(archives.read_npy(path), np.float32)
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise UserError(
            f"{path} cannot be read: {reason}. --pca_dir needs {', '.join(sorted(FILES))}."
        ) from None
    if not np.isfinite(values).all() or not values.ndim:
        raise UserError(f"{path} must hold finite numbers. Received: shape {list(values.shape)}.")
    return values
