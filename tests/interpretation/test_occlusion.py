"""What hiding parts of a clip takes from a probability, against loops over every pixel."""

import io

import numpy as np
import pytest
from npz import arrays

pytest.importorskip("cv2")

import cv2

from yt8m.base.errors import UserError
from yt8m.interpretation import drawing, first_clips, occlusion_grid, occlusion_maps

CLIP_SIZE = (5, 9, 12)
PLACES = [(0, 0, 0), (1, 2, 5), (3, 8, 11)]


def toy_model(batch):
    """Two classes; the first looks at single pixels and flow, and counts the frames there are."""
    pixels, flow = (batch[name].astype(float) - occlusion_grid.GREY for name in ("pixels", "flow"))
    score = sum((n + 1) * pixels[(slice(None), *place, 0)] for n, place in enumerate(PLACES))
    score = score + 7 * flow[:, 2, 3, 4, 1] + batch["num_frames"]
    return np.stack([score / 1000, np.zeros_like(score)], axis=1).astype(np.float32)


def toy_clip(num_frames=4):
    random = np.random.default_rng(1)
    clip = {
        name: random.integers(0, 256, (*CLIP_SIZE, channels)).astype(np.uint8)
        for name, channels in (("pixels", 3), ("flow", 2))
    }
    return clip | {"num_frames": np.int32(num_frames)}


def hide(clip, names, first, size):
    """The clip with a cuboid of grey, pixel by pixel."""
    hidden = {name: np.array(values) for name, values in clip.items()}
    for name in names:
        for t, row, column in np.ndindex(*size):
            hidden[name][first[0] + t, first[1] + row, first[2] + column] = 128
    return {name: values[None] for name, values in hidden.items()}


@pytest.mark.parametrize("names", [("pixels",), ("flow",), ("pixels", "flow")])
def test_drops_are_those_of_clips_with_a_grey_part(names):
    clip, size = toy_clip(), (2, 4, 4)
    places = occlusion_grid.grid(CLIP_SIZE, 4, size, (1, 3, 4))
    whole = toy_model({name: values[None] for name, values in clip.items()})[0, 0]
    counted = []
    before = {name: np.array(values) for name, values in clip.items()}
    found = occlusion_grid.drops(toy_model, clip, whole, names, places, 4, 0, counted.append)
    times, rows, columns = (0, 1, 2), (0, 3, 5), (0, 4, 8)
    assert [list(start) for start in places.starts] == [list(times), list(rows), list(columns)]
    expected = np.empty((3, 3, 3))
    for i, j, k in np.ndindex(3, 3, 3):
        hidden = hide(clip, names, (times[i], rows[j], columns[k]), size)
        expected[i, j, k] = whole - toy_model(hidden)[0, 0]
    assert (np.abs(expected) > 1e-3).sum() > 3
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert sum(counted) == 27
    assert max(counted) == 4
    for name, values in before.items():
        np.testing.assert_array_equal(clip[name], values)


@pytest.mark.parametrize(
    ("num_frames", "size", "strides"),
    [(5, (2, 3, 4), (2, 2, 3)), (3, (2, 9, 12), (5, 1, 1)), (1, (4, 1, 1), (2, 4, 4))],
)
def test_cuboids_leave_out_nothing_but_padding(num_frames, size, strides):
    places = occlusion_grid.grid(CLIP_SIZE, num_frames, size, strides)
    count, total = np.zeros(CLIP_SIZE), np.zeros(CLIP_SIZE)
    values = np.random.default_rng(0).normal(size=places.shape)
    cuboids = list(places.cuboids())
    assert len(cuboids) == values.size
    for cuboid, value in zip(cuboids, values.ravel(), strict=True):
        assert all(s.stop - s.start == n for s, n in zip(cuboid, places.size, strict=True))
        count[cuboid] += 1
        total[cuboid] += value
    assert not count[num_frames:].any()
    gaps = [max(stride - n, 0) for stride, n in zip(strides, places.size, strict=True)]
    if not any(gaps):
        assert (count[:num_frames] > 0).all()
    np.testing.assert_allclose(places.spread(values), total / np.maximum(count, 1))


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"no larger than a frame.*size=\(10, 4\)"):
        occlusion_grid.grid(CLIP_SIZE, 5, (1, 10, 4), (1, 1, 1))
    with pytest.raises(ValueError, match="positive"):
        occlusion_grid.grid(CLIP_SIZE, 0, (1, 1, 1), (1, 1, 1))


def test_the_class_is_the_likeliest_label_or_the_likeliest_of_all():
    scores = np.array([0.1, 0.2, 0.6, 0.1])
    assert occlusion_maps.choose_class(scores, np.array([0, 1, -1])) == 1
    assert occlusion_maps.choose_class(scores, np.array([-1, -1])) == 2


def test_the_npz_holds_the_raw_map_and_where_it_is_from():
    places = occlusion_grid.grid(CLIP_SIZE, 4, (2, 4, 4), (1, 3, 4))
    drop = np.random.default_rng(2).normal(size=places.shape).astype(np.float32)
    clip = toy_clip() | {"ids": b"a/\xffb.mp4", "labels": np.array([1])}
    hiding = occlusion_maps.Hiding((2, 4, 4), (1, 3, 4), ("flow",), None, 4)
    found = occlusion_maps.OcclusionMap(clip, hiding, places, drop, "run", True, 0.75, "walk", 0.8)
    kept = arrays(io.BytesIO(found.as_npz()))
    np.testing.assert_array_equal(kept["drop"], drop)
    assert [kept[name].tolist() for name in ("times", "rows", "columns", "size")] == [
        [0, 1, 2],
        [0, 3, 5],
        [0, 4, 8],
        [2, 4, 4],
    ]
    assert kept["video"].item() == b"a/\xffb.mp4"
    assert (kept["class_name"], kept["probability"], kept["frames"]) == ("run", 0.75, 4)
    assert kept["inputs"].tolist() == ["flow"]


def test_heat_is_red_above_0_and_blue_below_and_leaves_0_alone():
    image = np.full((1, 3, 3), 90, np.uint8)
    [[fall, nothing, rise]] = drawing.heat(image, np.array([[0.5, 0, -0.5]]), 0.5).astype(int)
    assert nothing.tolist() == [90, 90, 90]
    assert fall[0] > 170 and max(fall[1:]) < 70
    assert rise[2] > 170 and rise[0] < 70


def test_colours_of_inputs():
    pixels = np.array([[[-1, 0, 1]]])
    assert drawing.image_of(pixels)[0, 0].tolist() == [0, 128, 255]
    still, right, left = drawing.image_of(np.array([[[0, 0], [2, 0], [-2, 0.0]]]), 2.0)[0]
    assert still.tolist() == [128, 128, 128]
    assert right[0] == 255 and right[1] == right[2] < 70
    assert left[0] == 0 and left[1] == left[2] > 180


def test_text_is_cut_to_its_place():
    text = "a/long/path/of/some/folders/and/the/name/of/a/video.mp4"
    assert drawing.fit(text, 1000) == text
    short = drawing.fit(text, 200)
    assert drawing.text_width(short) <= 200 < drawing.text_width(text)
    assert short.startswith("a/long") and short.endswith(".mp4") and "..." in short
    assert drawing.fit("\udcffé", 100) == "??"


def test_pictures_are_put_together_without_a_loss():
    random = np.random.default_rng(0)
    first, second = (
        random.integers(0, 255, (h, w, 3)).astype(np.uint8) for h, w in ((3, 5), (4, 2))
    )
    row = drawing.beside([first, second], 2)
    assert row.shape == (4, 9, 3)
    np.testing.assert_array_equal(row[:3, :5], first)
    np.testing.assert_array_equal(row[:, 7:], second)
    assert (row[3, :5] == 255).all() and (row[:, 5:7] == 255).all()
    column = drawing.below([first, second], 1)
    assert column.shape == (8, 5, 3)
    np.testing.assert_array_equal(column[4:, :2], second)


def test_a_picture_is_written_whole_or_not_at_all(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (6, 5, 3)).astype(np.uint8)
    drawing.write_png(str(tmp_path / "a.png"), picture)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png"))[..., ::-1], picture)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    (tmp_path / "b.png").mkdir()
    with pytest.raises(UserError, match=r"Cannot write .*b.png"):
        drawing.write_png(str(tmp_path / "b.png"), picture)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_file_names_are_plain_and_differ():
    assert first_clips.file_name(3, "a b/c d\udcff(1).tar.mp4") == "003-c_d_1_.tar"
    assert first_clips.file_name(4, "x" * 300) == "004-" + "x" * 60
