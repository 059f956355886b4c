"""VGGish's front end, against the same sums written out one by one."""

import math

import numpy as np
import pytest

from yt8m.extraction import log_mel


def noise(num_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, num_samples).astype(np.float32)


def slow_row(window: np.ndarray) -> list[float]:
    """One row of a log-mel spectrogram, from 400 samples."""
    shaped = [x * (0.5 - 0.5 * math.cos(2 * math.pi * n / 400)) for n, x in enumerate(window)]
    magnitudes = []
    for k in range(257):
        cosines = sum(x * math.cos(2 * math.pi * k * n / 512) for n, x in enumerate(shaped))
        sines = sum(x * math.sin(2 * math.pi * k * n / 512) for n, x in enumerate(shaped))
        magnitudes.append(math.hypot(cosines, sines))

    def mel(hertz: float) -> float:
        return 1127 * math.log(1 + hertz / 700)

    step = (mel(7500) - mel(125)) / 65
    row = []
    for band in range(64):
        low = mel(125) + band * step
        total = 0.0
        for k in range(1, 257):
            place = (mel(k * 16000 / 512) - low) / step
            if 0 < place < 2:
                total += magnitudes[k] * (place if place <= 1 else 2 - place)
        row.append(math.log(total + 0.01))
    return row


def test_rows_are_the_sums_of_the_formula():
    samples = noise(400 + 160 * 2 + 159)
    rows = log_mel.spectrogram(samples)
    assert rows.shape == (3, 64) and rows.dtype == np.float32
    for number in (0, 2):
        expected = slow_row(samples[160 * number : 160 * number + 400].astype(float))
        np.testing.assert_allclose(rows[number], expected, rtol=1e-5, atol=1e-5)


def test_silence_and_short_sounds():
    assert log_mel.spectrogram(np.zeros(400, np.float32)) == pytest.approx(math.log(0.01))
    assert log_mel.spectrogram(np.zeros(399, np.float32)).shape == (0, 64)
    with pytest.raises(ValueError, match="one axis"):
        log_mel.spectrogram(np.zeros((2, 400)))


def test_long_sounds_are_done_in_parts_without_a_seam():
    samples = noise(160 * 4100 + 400)
    rows = log_mel.spectrogram(samples)
    assert len(rows) == 4101
    for number in (4095, 4096, 4100):
        alone = log_mel.spectrogram(samples[160 * number : 160 * number + 400])
        np.testing.assert_allclose(rows[number], alone[0], rtol=1e-6)


@pytest.mark.parametrize(
    ("num_rows", "every", "starts"),
    [
        (95, 0.96, []),
        (96, 0.96, [0]),
        (191, 0.96, [0]),
        (288, 0.96, [0, 96, 192]),
        (295, 1.0, [0, 100]),
        (296, 1.0, [0, 100, 200]),
        (134, 0.125, [0, 12, 25, 38]),
    ],
)
def test_examples_begin_where_frames_do(num_rows, every, starts):
    rows = np.repeat(np.arange(num_rows, dtype=np.float32)[:, None], 64, axis=1)
    examples = log_mel.examples(rows, every)
    assert examples.shape == (len(starts), 96, 64)
    assert examples[:, 0, 0].tolist() == starts
    assert examples[:, 95, 63].tolist() == [start + 95 for start in starts]


def test_an_example_takes_as_much_sound_as_is_said():
    enough = int(log_mel.EXAMPLE_SECONDS * log_mel.SAMPLE_RATE)
    assert len(log_mel.examples(log_mel.spectrogram(noise(enough)), 1.0)) == 1
    assert len(log_mel.examples(log_mel.spectrogram(noise(enough - 1)), 1.0)) == 0
    with pytest.raises(ValueError, match="every must be a positive"):
        log_mel.examples(np.zeros((96, 64)), 0)
