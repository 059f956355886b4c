"""One view for all frames of a clip."""

import numpy as np
import pytest

from yt8m.base.errors import UserError
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.data.video.frames import views

HEIGHT, WIDTH = 20, 30


def frames_of_places(count=3):
    """Every pixel holds its row, its column and the number of its frame."""
    grid = np.mgrid[:HEIGHT, :WIDTH]
    one = np.stack([grid[0], grid[1], np.zeros((HEIGHT, WIDTH), int)], -1)
    return np.stack([one + [0, 0, n] for n in range(count)]).astype(np.uint8)


def test_a_clip_is_cut_and_mirrored_as_one():
    clips = Clips(resize=HEIGHT, crop=(8, 12))
    random, seen = np.random.default_rng(0), set()
    for _ in range(300):
        view = views.training_view(clips, (HEIGHT, WIDTH), random)
        shown = views.show(frames_of_places(), view, clips.crop_size)
        assert shown.shape == (3, 8, 12, 3)
        assert (shown[..., 2] == np.arange(3)[:, None, None]).all()
        assert (shown[..., :2] == shown[:1, ..., :2]).all(), "the frames differ in their places"
        seen.add((view.top, view.left, view.flip))
    tops, lefts, flips = (set(values) for values in zip(*seen, strict=True))
    assert tops == set(range(13))
    assert lefts == set(range(19))
    assert flips == {False, True}


def test_without_augmentation_the_centre_is_shown():
    clips = Clips(resize=HEIGHT, crop=(8, 12), augment=())
    view = views.training_view(clips, (HEIGHT, WIDTH), np.random.default_rng(0))
    assert view == views.View(6, 9, 8, 12)
    assert views.evaluation_views((8, 12), (HEIGHT, WIDTH), 1) == [view]


def test_scales_keep_the_size_that_is_shown():
    clips = Clips(resize=HEIGHT, crop=(8, 12), augment=("scale", "crop"))
    random, sizes = np.random.default_rng(0), set()
    for _ in range(200):
        view = views.training_view(clips, (HEIGHT, WIDTH), random)
        assert view.top + view.height <= HEIGHT
        assert view.left + view.width <= WIDTH
        sizes.add((view.height, view.width))
        assert views.show(frames_of_places(1), view, (8, 12)).shape == (1, 8, 12, 3)
    assert {height for height, _ in sizes} == {20, 18, 15, 13}
    assert (20, 20) not in sizes, "the proportions are more than a step apart"


def test_mirrored_flow_changes_the_sign_of_x():
    flow = np.full((1, HEIGHT, WIDTH, 4), 128, np.uint8)
    flow[..., 0], flow[..., 1], flow[0, 0, 0, 2] = 138, 100, 200
    view = views.View(0, 0, HEIGHT, WIDTH, flip=True)
    shown = views.show(flow, view, (HEIGHT, WIDTH), Flow(length=2))
    assert (shown[..., 0] == 118).all()
    assert (shown[..., 1] == 100).all()
    assert shown[0, 0, -1, 2] == 56


def test_flow_of_many_channels_is_resized():
    flow = np.random.default_rng(0).integers(1, 256, (2, 16, 16, 20)).astype(np.uint8)
    shown = views.show(flow, views.View(0, 0, 16, 16), (4, 4), Flow(length=10))
    expected = flow.reshape(2, 4, 4, 4, 4, 20).astype(float).mean((2, 4))
    np.testing.assert_allclose(shown, expected, atol=0.51)


def test_larger_frames_are_interpolated():
    frame = np.repeat(np.array([[0, 100]], np.uint8)[..., None], 3, axis=2)
    assert views.resize(frame, (1, 4))[0, :, 1].tolist() == [0, 25, 75, 100]


def test_ten_crops_are_corners_centre_and_mirror_images():
    crops = views.evaluation_views((8, 12), (HEIGHT, WIDTH), 10)
    places = [(view.top, view.left) for view in crops]
    assert places[:5] == [(6, 9), (0, 0), (0, 18), (12, 0), (12, 18)]
    assert places[5:] == places[:5]
    assert [view.flip for view in crops] == [False] * 5 + [True] * 5
    assert views.evaluation_views((8, 12), (HEIGHT, WIDTH), 5) == crops[:5]


@pytest.mark.parametrize(
    ("size", "places"),
    [((20, 30), [(6, 0), (6, 9), (6, 18)]), ((30, 20), [(0, 4), (11, 4), (22, 4)])],
)
def test_three_crops_lie_along_the_longer_side(size, places):
    crops = views.evaluation_views((8, 12), size, 3)
    assert [(view.top, view.left) for view in crops] == places


def test_other_numbers_of_crops_are_refused():
    with pytest.raises(UserError, match="1, 3, 5, 10. Received: 4"):
        views.evaluation_views((8, 12), (HEIGHT, WIDTH), 4)
