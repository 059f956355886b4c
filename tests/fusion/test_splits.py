"""The files of scores that late fusion joins: which belong together, and what is refused."""

import os

import numpy as np
import pytest
from run_scores import CLASSES, LABELS, random_scores, two_runs, write

from yt8m.base.errors import UserError
from yt8m.fusion import splits as score_splits


def test_fewer_views_are_taken_of_every_run(tmp_path):
    paths, rgb, flow = two_runs(tmp_path)
    (split,) = score_splits.load([paths], num_clips=1, num_crops=1)
    first, second = split.video_scores()
    np.testing.assert_array_equal(first, rgb[:, 1, 1])  # The second of two clips, the centre.
    np.testing.assert_array_equal(second, flow[:, 0, 0])
    with pytest.raises(UserError, match=r"flow\.npz does not hold.*num_clips=2"):
        score_splits.load([paths], num_clips=2)


def test_splits_are_groups_of_files():
    found = score_splits.parse_files("scores", "a.npz, ~/b.npz;c.npz,d.npz")
    assert found == (("a.npz", os.path.expanduser("~/b.npz")), ("c.npz", "d.npz"))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "a name is empty"),
        ("a.npz,", "a name is empty"),
        ("a.npz;", "a name is empty"),
        ("a.npz,./a.npz", "names a.npz twice"),
        ("a.npz;a.npz", "names a.npz twice"),
        ("a.npz,b.npz;c.npz", "Received: 2, 1"),
    ],
)
def test_wrong_groups_are_refused(text, part):
    with pytest.raises(UserError, match=f"--fit_scores .*{part}"):
        score_splits.parse_files("fit_scores", text)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"ids": ["v0", "v1", "v2", "v3", "v4", "x"]}, r"a\.npz lacks 1 of .*'x'"),
        ({"ids": ["v0", "v1", "v2", "v3"]}, r"b\.npz lacks 2 of .*'v4'"),
        ({"ids": ["v0", "v1", "v2", "v3", "v4", "v5", "v1"]}, r"b\.npz has the video 'v1' twice"),
        ({"labels": [0, 1, 2, 4, 4, 0]}, r"labels of 1 .*'v3'.*b\.npz than in .*a\.npz"),
        ({"classes": (*CLASSES[:3], "fall", "row")}, "class 3 is 'climb' there and 'fall' here"),
        ({"classes": CLASSES[:4]}, "5 classes there and 4 here"),
        ({"labels": [-1] * 6}, "No video of .*b.npz has a label"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(changes, part, tmp_path):
    ids = changes.get("ids", [f"v{number}" for number in range(6)])
    classes = changes.get("classes", CLASSES)
    labels = np.resize(changes.get("labels", LABELS), len(ids))
    if len(classes) < 5:
        labels = np.minimum(labels, 3)
    first = write(tmp_path / "a.npz", random_scores(0), LABELS)
    scores = random_scores(1, len(ids))[..., : len(classes)]
    second = write(tmp_path / "b.npz", scores, labels, ids, classes)
    with pytest.raises(UserError, match=part):
        score_splits.load([[first, second]])


def test_splits_have_the_same_classes(tmp_path):
    first = write(tmp_path / "a.npz", random_scores(0), LABELS)
    other = (CLASSES[1], CLASSES[0], *CLASSES[2:])
    second = write(tmp_path / "b.npz", random_scores(1), LABELS, classes=other)
    with pytest.raises(
        UserError, match=r"b\.npz has other classes than .*a\.npz: class 0 is 'run'"
    ):
        score_splits.load([[first], [second]])


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({}, None),
        ({"ids": ["v5", *"tuvwx"]}, r"1 video\(s\) of .*'v5', are in"),
        ({"labels": [[0, 1], [1, -1], [2, -1], [3, -1], [4, -1], [0, -1]]}, "'t' in .* has 2"),
        ({"labels": [[-1], [1], [2], [3], [4], [0]]}, "'t' in .* has 0"),
        ({"labels": [[3]] * 6}, "are of one class, 'climb'"),
        ({"classes": (*CLASSES[:4], "fly")}, r"class 4 is 'row' there and 'fly' here"),
    ],
)
def test_an_svm_is_fitted_on_other_videos_of_one_label(changes, part, tmp_path):
    test = write(tmp_path / "test.npz", random_scores(0), LABELS)
    train = {"scores": random_scores(1), "labels": LABELS, "ids": list("tuvwxy")} | changes
    splits = score_splits.load([[test]])
    fit_splits = score_splits.load([[write(tmp_path / "train.npz", **train)]])
    if part is None:
        score_splits.check_fit(splits, fit_splits)
        return
    with pytest.raises(UserError, match=part):
        score_splits.check_fit(splits, fit_splits)


def test_an_svm_judges_videos_of_one_label(tmp_path):
    labels = np.stack([LABELS, (LABELS + 1) % 5], axis=1)
    test = write(tmp_path / "test.npz", random_scores(0), labels)
    train = write(tmp_path / "train.npz", random_scores(1), LABELS, list("tuvwxy"))
    with pytest.raises(UserError, match="'v0' in .*test.npz has 2"):
        score_splits.check_fit(score_splits.load([[test]]), score_splits.load([[train]]))
