"""Cuts are found where they are, and nowhere else."""

import numpy as np
import pytest
import video_files

from yt8m.data.video.frames import decoding, shots

HEIGHT, WIDTH = shots.SIZE


def scene(seed: int) -> np.ndarray:
    """A picture of blocks in random colours, twice as wide as a frame."""
    colors = np.random.default_rng(seed).integers(0, 256, (6, 16, 3), np.uint8)
    return np.kron(colors, np.ones((HEIGHT // 6, WIDTH // 8, 1), np.uint8))


def film(*lengths: int, speed: int = 0) -> list[np.ndarray]:
    """Scenes of these lengths, of which each frame shows a part `speed` pixels further on."""
    starts = [(seed, place) for seed, length in enumerate(lengths) for place in range(length)]
    return [np.roll(scene(seed), -speed * place, axis=1)[:, :WIDTH] for seed, place in starts]


def found(frames: list[np.ndarray]) -> tuple[int, ...]:
    return shots.boundaries(iter(frames))


def test_hard_cuts_are_found_exactly():
    assert found(film(30, 17, 4, 9)) == (0, 30, 47, 51)
    assert found(film(12, 12, speed=1)) == (0, 12)


@pytest.mark.parametrize("speed", [0, 1, 2])
def test_a_scene_that_stands_still_or_is_panned_over_is_one_shot(speed):
    assert found(film(60, speed=speed)) == (0,)


def test_fast_motion_is_no_row_of_cuts():
    assert found(film(40, speed=7)) == (0,)


def test_fast_motion_with_each_frame_shown_twice_is_no_row_of_cuts():
    assert found([frame for frame in film(30, speed=7) for _ in range(2)]) == (0,)


def test_flicker_and_fading_light_are_no_cuts():
    steps = np.random.default_rng(0).uniform(-6, 6, 40) + np.linspace(0, -60, 40)
    frames = [np.clip(frame + step, 0, 255) for frame, step in zip(film(40), steps, strict=True)]
    assert found([frame.astype(np.uint8) for frame in frames]) == (0,)


def test_two_scenes_of_the_same_colours_are_two_shots():
    one = scene(0)[:, :WIDTH]
    other = np.roll(one, (HEIGHT // 2, WIDTH // 2), axis=(0, 1))
    assert found([one] * 10 + [other] * 10) == (0, 10)


def test_videos_of_one_and_of_no_frame():
    assert found(film(1)) == (0,)
    assert found([]) == (0,)


def test_cuts_of_a_file_are_found_behind_its_compression(tmp_path):
    path = video_files.write(tmp_path / "a.mp4", film(14, 11, 8, speed=1))
    *found, _ = decoding.probe_and_view(path, shots.boundaries, shots.SIZE)
    assert found == [decoding.probe(path), (0, 14, 25)]
