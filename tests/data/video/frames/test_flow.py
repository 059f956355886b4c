"""Optical flow: known motions, bytes, stacking and mirroring, against slow references."""

import cv2
import numpy as np
import pytest

from yt8m.base.errors import UserError
from yt8m.data.video.clip_specs import METHODS, Flow
from yt8m.data.video.frames import flow as flow_lib

HEIGHT, WIDTH, BOUND = 7, 9, 4.0


def texture(height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)


def moving(num_frames, right, down, size=64):
    """A texture that moves by so many pixels a frame."""
    large = texture(size + 64, size + 64)
    starts = [(32 - down * i, 32 - right * i) for i in range(num_frames)]
    return np.stack([large[top : top + size, left : left + size] for top, left in starts])


class Recorder:
    """Smooth random fields, as they come out of a cache, that remembers what is read."""

    def __init__(self, num_frames, seed=0, height=HEIGHT, width=WIDTH):
        random = np.random.default_rng(seed)
        rough = random.normal(0, 2, (2, max(0, num_frames - 1), 3, 3, 2)).astype("float32")
        self.fields = np.zeros((2, max(0, num_frames - 1), height, width, 2), "float32")
        for kind in range(2):
            for number, field in enumerate(rough[kind]):
                self.fields[kind, number] = cv2.resize(field, (width, height))
        self.fields = flow_lib.dequantize(flow_lib.quantize(self.fields, BOUND), BOUND)
        self.num_frames, self.size = num_frames, (height, width)
        self.read = ([], [])

    def forward(self, pair):
        """See `flow.Source`."""
        assert 0 <= pair < self.num_frames - 1
        self.read[0].append(pair)
        return self.fields[0][pair]

    def backward(self, pair):
        """See `flow.Source`."""
        assert 0 <= pair < self.num_frames - 1
        self.read[1].append(pair)
        return self.fields[1][pair]


def to_byte(displacement):
    return round(max(-1.0, min(1.0, displacement / BOUND)) * 127) + 128


def sample(field, x, y):
    """The field between its pixels, by the definition of bilinear interpolation."""
    left, top = int(np.floor(x)), int(np.floor(y))
    total = np.zeros(2)
    for row, down in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, right in ((left, 1 - (x - left)), (left + 1, x - left)):
            if down * right > 0:
                total += down * right * field[row, column]
    return total


def slow_walk(fields, follow, subtract_mean):
    """The channels of a list of fields, point by point."""
    height, width = fields[0].shape[:2]
    answer = np.zeros((height, width, 2 * len(fields)), int)
    for row in range(height):
        for column in range(width):
            x, y = float(column), float(row)
            for k, field in enumerate(fields):
                moved = sample(field, x, y)
                mean = field.reshape(-1, 2).mean(0) if subtract_mean else (0.0, 0.0)
                answer[row, column, 2 * k] = to_byte(moved[0] - mean[0])
                answer[row, column, 2 * k + 1] = to_byte(moved[1] - mean[1])
                if follow:
                    x = min(max(x + moved[0], 0), width - 1)
                    y = min(max(y + moved[1], 0), height - 1)
    return answer


@pytest.mark.parametrize("method", METHODS)
def test_fields_of_a_known_motion(method):
    fields = flow_lib.fields(moving(3, right=3, down=-2), method)
    assert fields.shape == (2, 64, 64, 2) and fields.dtype == np.float32
    inner = fields[:, 8:-8, 8:-8]
    np.testing.assert_allclose(np.median(inner, (1, 2)), [[3, -2], [3, -2]], atol=0.2)


@pytest.mark.parametrize("method", METHODS)
def test_no_motion_is_the_byte_of_zero(method):
    still = np.repeat(texture(32, 40)[None], 2, axis=0)
    moved = flow_lib.compute(still, Flow(method=method)) != flow_lib.ZERO
    # Farneback sees some motion at the border.
    assert not moved[:, 12:-12, 12:-12].any() and (method == "farneback" or not moved.any())


@pytest.mark.parametrize("method", ["dis", "farneback"])
def test_a_field_depends_on_its_pair_alone(method):
    # At this size OpenCV's DIS objects remember the pair before.
    frames = np.concatenate([moving(3, 2, 1, 40), moving(2, -1, 2, 40)[::-1]])[:, :32]
    together = flow_lib.fields(frames, method)
    for number in (3, 0, 2):
        alone = flow_lib.fields(frames[number : number + 2], method)
        np.testing.assert_array_equal(alone[0], together[number])


@pytest.mark.parametrize(("height", "width"), [(1, 1), (4, 4), (8, 200), (200, 8), (15, 15)])
def test_dis_takes_small_frames(height, width):
    fields = flow_lib.fields(np.stack([texture(height, width, i) for i in range(2)]), "dis")
    assert fields.shape == (1, height, width, 2) and np.isfinite(fields).all()


def test_bytes_and_displacements():
    every = np.arange(1, 256, dtype=np.uint8)
    for bound in (20.0, 0.3, 7.0):
        pixels = flow_lib.dequantize(every, bound)
        assert pixels[127] == 0 and pixels.dtype == np.float32
        np.testing.assert_allclose(pixels[[0, -1]], [-bound, bound], rtol=1e-6)
        np.testing.assert_array_equal(flow_lib.quantize(pixels, bound), every)
    values = np.float32([-100, -20, -0.01, 0, 0.08, 20, 33])
    np.testing.assert_array_equal(flow_lib.quantize(values, 20.0), [1, 1, 128, 128, 129, 255, 255])
    assert flow_lib.quantize(values, 20.0).dtype == np.uint8
    values = np.random.default_rng(1).uniform(-20, 20, 1000).astype("float32")
    error = flow_lib.dequantize(flow_lib.quantize(values, 20.0), 20.0) - values
    assert np.abs(error).max() <= 20 / 254 * 1.001


def test_order_of_channels_and_ends():
    source = Recorder(6)
    stacks = flow_lib.stacks(source, [4, 0, 5, 4], Flow(length=3, bound=BOUND))
    assert stacks.shape == (4, HEIGHT, WIDTH, 6) and stacks.dtype == np.uint8
    planes = flow_lib.quantize(source.fields[0], BOUND)
    for answer, pairs in zip(stacks, [(4, 4, 4), (0, 1, 2), (4, 4, 4), (4, 4, 4)], strict=True):
        np.testing.assert_array_equal(answer, np.concatenate([planes[i] for i in pairs], -1))


@pytest.mark.parametrize("stacking", ["stack", "trajectory"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("subtract_mean", [False, True])
def test_against_a_slow_reference(stacking, bidirectional, subtract_mean):
    flow = Flow("dis", 4, stacking, bidirectional, subtract_mean, bound=BOUND)
    source, frames = Recorder(7, seed=3), [0, 1, 3, 6]
    stacks = flow_lib.stacks(source, frames, flow)
    ahead, back = source.fields
    for answer, t in zip(stacks, frames, strict=True):
        walks = [[ahead[min(t + k, 5)] for k in range(2 if bidirectional else 4)]]
        if bidirectional:
            walks.append([back[max(t - 1 - k, 0)] for k in range(2)])
        expected = [slow_walk(w, stacking == "trajectory", subtract_mean) for w in walks]
        difference = np.abs(answer - np.concatenate(expected, -1))
        assert difference.max() <= 1 and difference.mean() < 0.01, "more than rounding"


def test_a_trajectory_follows_its_point():
    """Where a point moves by two pixels, the second field is taken two pixels on."""
    source = Recorder(3, width=20)
    source.fields[0, 0] = (2.0, 0.0)
    source.fields[0, 1, ..., 0] = np.arange(20) / 10
    flow = Flow(length=2, stacking="trajectory", bound=BOUND)
    second = flow_lib.dequantize(flow_lib.stacks(source, [0], flow)[0, 3, :, 2], BOUND)
    expected = np.minimum(np.arange(20) + 2, 19) / 10
    np.testing.assert_allclose(second, expected, atol=BOUND / 250)


def test_backward_flow_is_that_of_the_reversed_frames():
    frames = moving(3, right=2, down=1)
    flow = Flow(length=2, bidirectional=True, bound=10.0)
    stacks = flow_lib.stacks(flow_lib.FrameFlow(lambda i: frames[i], 3, [1], flow), [1], flow)
    ahead = flow_lib.fields(frames[[1, 2]], "dis")[0]
    back = flow_lib.fields(frames[[1, 0]], "dis")[0]
    expected = flow_lib.quantize(np.concatenate([ahead, back], -1), 10.0)
    np.testing.assert_array_equal(stacks[0], expected)
    assert (stacks[0, ..., 2:] != flow_lib.quantize(-ahead, 10.0)).any()
    centre = flow_lib.dequantize(stacks[0, 20:-20, 20:-20], 10.0)
    np.testing.assert_allclose(np.median(centre, (0, 1)), [2, 1, -2, -1], atol=0.2)


def test_mean_is_subtracted_after_the_bound_has_cut():
    source = Recorder(2)
    source.fields[0, 0] = (BOUND, -1.0)
    source.fields[0, 0, 0, 0] = (BOUND - 3.0, -1.0)
    stack = flow_lib.stacks(source, [0], Flow(subtract_mean=True, bound=BOUND))[0]
    mean = BOUND - 3.0 / (HEIGHT * WIDTH)
    assert (stack[..., 1] == flow_lib.ZERO).all()
    assert stack[0, 0, 0] == to_byte(BOUND - 3.0 - mean) and stack[1, 1, 0] == to_byte(BOUND - mean)


def test_three_channels_and_one_frame():
    flow = Flow(channels=3, bound=BOUND)
    stacks = flow_lib.stacks(Recorder(3), [1], flow)
    assert stacks.shape == (1, HEIGHT, WIDTH, 3) and (stacks[..., 2] == flow_lib.ZERO).all()
    assert (stacks[..., :2] != flow_lib.ZERO).any()
    for alone in (flow, Flow(length=4, bidirectional=True)):
        stacks = flow_lib.stacks(Recorder(1), [0, 0], alone)
        assert stacks.shape == (2, HEIGHT, WIDTH, alone.num_channels)
        assert (stacks == flow_lib.ZERO).all()


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("stacking", ["stack", "trajectory"])
def test_needed_is_what_is_read(bidirectional, stacking):
    flow = Flow(length=4, bidirectional=bidirectional, stacking=stacking, bound=BOUND)
    for num_frames, frames in (
        (12, [8, 2, 3, 4, 2]),
        (12, [11]),
        (3, [0, 1, 2]),
        (1, [0]),
        (5, []),
    ):
        source = Recorder(num_frames)
        flow_lib.stacks(source, frames, flow)
        read = tuple(sorted(set(numbers)) for numbers in source.read)
        assert flow_lib.needed(frames, num_frames, flow) == read
        assert all(len(set(numbers)) == len(numbers) for numbers in source.read), "read twice"


@pytest.mark.parametrize("bidirectional", [False, True])
def test_frame_flow_reads_no_more_than_it_needs(bidirectional):
    frames = np.random.default_rng(0).integers(0, 256, (100, 16, 16, 3), dtype=np.uint8)
    asked = []

    def read(indices):
        asked.append(indices.tolist())
        return frames[indices]

    flow = Flow(length=2, bidirectional=bidirectional, bound=8.0)
    source = flow_lib.FrameFlow(read, 100, [50, 7], flow)
    expected = [6, 7, 8, 49, 50, 51] if bidirectional else [7, 8, 9, 50, 51, 52]
    assert asked == [expected] and source.size == (16, 16)
    stacks = flow_lib.stacks(source, [50, 7], flow)
    pairs = [(50, 51), (50, 49)] if bidirectional else [(50, 51), (51, 52)]
    planes = [flow_lib.compute(frames[list(pair)], flow)[0] for pair in pairs]
    np.testing.assert_array_equal(stacks[0], np.concatenate(planes, -1))
    asked.clear()
    flow_lib.FrameFlow(read, 100, range(99), flow)
    assert len(asked) > 1 and sum(asked, []) == list(range(100))
    asked.clear()
    assert flow_lib.FrameFlow(read, 1, [0], flow).size == (16, 16) and asked == [[0]]


@pytest.mark.parametrize("method", ["dis", "farneback"])
def test_a_flip_is_the_flow_of_mirrored_frames(method):
    frames, flow = moving(2, right=3, down=-2), Flow(method=method)
    flipped = flow_lib.flip(flow_lib.compute(frames, flow), flow)
    mirrored = flow_lib.compute(frames[:, :, ::-1], flow)
    difference = np.abs(flipped.astype(int) - mirrored)[:, 8:-8, 8:-8]
    assert np.median(mirrored[0, ..., 0]) < 120 and np.mean(difference) < 0.5


@pytest.mark.parametrize("stacking", ["stack", "trajectory"])
@pytest.mark.parametrize("subtract_mean", [False, True])
def test_a_flip_of_stacks_is_the_stacks_of_mirrored_fields(stacking, subtract_mean):
    flow = Flow("dis", 4, stacking, True, subtract_mean, bound=BOUND)
    source, mirror = Recorder(9, seed=5), Recorder(9, seed=5)
    mirror.fields = mirror.fields[:, :, :, ::-1] * np.float32([-1, 1])
    stacks = flow_lib.stacks(source, [2, 5], flow)
    expected = flow_lib.stacks(mirror, [2, 5], flow)
    np.testing.assert_allclose(
        flow_lib.flip(stacks, flow), expected, atol=0 if stacking == "stack" else 1
    )
    np.testing.assert_array_equal(flow_lib.flip(flow_lib.flip(stacks, flow), flow), stacks)


def test_a_flip_leaves_the_third_channel():
    values = np.random.default_rng(0).integers(1, 256, (2, 3, 4, 5, 3), dtype=np.uint8)
    flipped = flow_lib.flip(values, Flow(channels=3))
    np.testing.assert_array_equal(flipped[..., 1:], values[..., ::-1, 1:])
    np.testing.assert_array_equal(flipped[..., 0], 256 - values[..., ::-1, 0].astype(int))


def test_wrong_arguments_are_named(monkeypatch):
    frames = texture(16, 16)[None]
    with pytest.raises(ValueError, match="Received: frames=.16, 16, 3. uint8"):
        flow_lib.fields(frames[0], "dis")
    with pytest.raises(ValueError, match="float32"):
        flow_lib.fields(frames.astype("float32"), "dis")
    with pytest.raises(ValueError, match="Received: method='lk'"):
        flow_lib.fields(frames, "lk")
    for wrong in ([-1], [4]):
        with pytest.raises(ValueError, match="Received: indices="):
            flow_lib.stacks(Recorder(4), wrong, Flow())
        with pytest.raises(ValueError, match="Received: indices="):
            flow_lib.needed(wrong, 4, Flow())
    with pytest.raises(ValueError, match="must have 20 channels"):
        flow_lib.flip(np.zeros((3, 4, 4, 2), np.uint8), Flow(length=10))
    monkeypatch.delattr(cv2, "optflow")
    with pytest.raises(UserError, match="opencv-contrib-python-headless"):
        flow_lib.fields(frames, "tvl1")
