"""Whitening: the published formula, what is fitted to frames, and the files of both."""

import numpy as np
import pytest

from yt8m.base.errors import UserError
from yt8m.extraction import whitening
from yt8m.extraction.whitening import Moments


def write(folder, mean, eigenvals, eigenvecs):
    folder.mkdir(exist_ok=True)
    for name, values in (("mean", mean), ("eigenvals", eigenvals), ("eigenvecs", eigenvecs)):
        np.save(folder / f"{name}.npy", np.asarray(values, np.float32))
    return str(folder)


def published(folder, size=3):
    """Files of the shapes that YouTube-8M's have."""
    rng = np.random.default_rng(0)
    return write(folder, rng.normal(size=(size, 1)), rng.uniform(size=(size, 1)),
                 rng.normal(size=(size, size)))  # fmt: skip


def correlated(count=4000, seed=0, scale=1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixing = np.array([[3.0, 1, 0.5], [0, 1, 0.2], [0, 0, 0.1]])
    return scale * (rng.normal(size=(count, 3)) @ mixing + [5, -2, 1])


def test_published_files_are_applied_as_their_program_does(tmp_path):
    folder = published(tmp_path / "pca")
    mean, values, vectors = (
        np.load(tmp_path / "pca" / f"{name}.npy") for name in ("mean", "eigenvals", "eigenvecs")
    )
    frame = np.array([0.5, 2.0, -1.0])
    expected = [
        sum(vectors[k][i] * (frame[i] - mean[i][0]) for i in range(3))
        / (values[k][0] + 0.0001) ** 0.5
        for k in range(2)
    ]
    whiten = whitening.load(folder, 3, components=2)
    assert whiten.num_kept == 2
    np.testing.assert_allclose(whiten(frame[None])[0], expected, rtol=1e-5)


def test_no_more_than_1024_values_are_kept_unless_told(tmp_path):
    size = 1100
    folder = write(tmp_path / "pca", np.zeros(size), np.ones(size), np.eye(size))
    assert whitening.load(folder, size).num_kept == 1024
    assert whitening.load(folder, size, 1050).num_kept == 1050


@pytest.mark.parametrize("scale", [1.0, 1e-5, 1e4])
def test_fitted_values_have_mean_0_and_variance_1(tmp_path, scale):
    frames = correlated(scale=scale)
    moments = whitening.merge(
        [Moments.of(frames[:1000], False), None, Moments.of(frames[1000:], False)]
    )
    whitening.fit(moments, 0).save(str(tmp_path))
    values = whitening.load(str(tmp_path), 3)(frames)
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(values.std(axis=0), 1, atol=1e-2)
    expected = (frames - frames.mean(axis=0)) / frames.std(axis=0)
    np.testing.assert_allclose(values, expected, atol=0.05)


def test_fitted_components_are_those_of_a_singular_value_decomposition(tmp_path):
    frames = correlated()
    whitening.fit(Moments.of(frames, True), 2).save(str(tmp_path))
    values = whitening.load(str(tmp_path), 3)(frames)
    left = np.linalg.svd(frames - frames.mean(axis=0), full_matrices=False)[0][:, :2]
    expected = left * np.sqrt(len(frames))
    signs = np.sign((values * expected).sum(axis=0))
    np.testing.assert_allclose(values, expected * signs, atol=2e-3)


def test_saved_files_are_complete_and_known_by_their_numbers(tmp_path):
    assert whitening.missing(str(tmp_path)) == list(whitening.FILES)
    whiten = whitening.fit(Moments.of(correlated(), True), 2)
    whiten.save(str(tmp_path))
    assert not whitening.missing(str(tmp_path))
    again = whitening.load(str(tmp_path), 3)
    assert again.digest() == whiten.digest()
    other = whitening.fit(Moments.of(correlated(seed=1), True), 2)
    assert other.digest() != whiten.digest()
    assert {path.name for path in tmp_path.iterdir()} == set(whitening.FILES)


def test_moments_survive_a_file(tmp_path):
    moments = Moments.of(correlated(10), True)
    moments.save(str(tmp_path / "a.npz"))
    again = Moments.load(str(tmp_path / "a.npz"))
    assert again.count == 10
    np.testing.assert_array_equal(again.products, moments.products)
    np.testing.assert_array_equal(again.total, moments.total)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_variances_that_rounding_makes_negative_are_none():
    """As of large numbers whose differences are small; below -1e-4 there would be no root."""
    products = np.array([[1.0, 1.01], [1.01, 1.0]])
    fitted = whitening.fit(Moments(9, np.zeros(2), 9 * products), 2)
    np.testing.assert_allclose(fitted.eigenvals, [2.01, 0], atol=1e-9)
    fitted = whitening.fit(Moments(9, np.zeros(2), 9 * np.array([1, -0.01])), 0)
    assert fitted.eigenvals.min() == 0


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    moments = Moments.of(correlated(10), True)
    full = OSError(28, "No space left on device")

    def fill(path, *arrays, **named):
        (tmp_path / path).write_bytes(b"half")
        raise full

    monkeypatch.setattr(np, "save", fill)
    monkeypatch.setattr(np, "savez", fill)
    with pytest.raises(UserError, match="a.npz: No space left"):
        moments.save(str(tmp_path / "a.npz"))
    with pytest.raises(UserError, match="eigenvals.npy: No space left"):
        whitening.fit(moments, 2).save(str(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("files", "size", "components", "parts"),
    [
        (None, 3, None, ["eigenvals.npy", "cannot be read", "--pca_dir"]),
        (
            (np.zeros(4), np.ones(3), np.eye(3)),
            3,
            None,
            ["do not fit the 3 values", "mean.npy [4]"],
        ),
        ((np.zeros(3), np.ones(3), np.eye(4)), 3, None, ["do not fit"]),
        ((np.zeros(3), np.ones(2), np.eye(3)), 3, 3, ["hold 2 components", "--pca_components=3"]),
        ((np.zeros(3), np.ones(3), np.ones(3)), 3, 2, ["by itself", "--pca_components=2"]),
        ((np.zeros(3), -np.ones(3), np.eye(3)), 3, None, ["negative"]),
        ((np.full(3, np.nan), np.ones(3), np.eye(3)), 3, None, ["mean.npy", "finite"]),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, files, size, components, parts):
    folder = write(tmp_path / "pca", *files) if files else str(tmp_path)
    with pytest.raises(UserError) as error:
        whitening.load(folder, size, components)
    for part in parts:
        assert part in str(error.value)


def test_a_file_of_something_else_is_refused(tmp_path):
    folder = published(tmp_path / "pca")
    (tmp_path / "pca" / "mean.npy").write_text("mean")
    with pytest.raises(UserError, match="mean.npy cannot be read"):
        whitening.load(folder, 3)


@pytest.mark.parametrize(
    ("frames", "components", "part"),
    [
        (correlated(1), 0, "2 frames at least; the videos have 1"),
        (correlated(3), 3, "4 frames at least"),
        (np.full((9, 3), 7.3), 0, "answers the same"),
    ],
)
def test_too_little_to_fit_is_refused(frames, components, part):
    with pytest.raises(UserError, match=part):
        whitening.fit(Moments.of(frames, components > 0), components)
