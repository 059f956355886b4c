"""Sound to the log-mel spectrograms that VGGish takes. Needs NumPy only.

The numbers are those of https://arxiv.org/abs/1609.09430 as the published model has them.
"""

from __future__ import annotations

import functools

import numpy as np

SAMPLE_RATE = 16000
NUM_BANDS = 64
# An example is of 96 rows, one each 10 ms.
EXAMPLE_ROWS = 96
ROWS_PER_SECOND = 100
# What the rows of an example span, of which the last looks 25 ms ahead.
EXAMPLE_SECONDS = 0.975

_WINDOW = 400
_HOP = 160
_FFT = 512
_LOWEST_HZ, _HIGHEST_HZ = 125.0, 7500.0
_OFFSET = 0.01
_ROWS_AT_A_TIME = 4096


def spectrogram(samples: np.ndarray) -> np.ndarray:
    """The log-mel spectrogram of a sound.

    Each row is the magnitude spectrum of 25 ms under a periodic Hann window, gathered in 64
    triangular bands between 125 and 7500 Hz that are evenly spread over the mel scale:
    log(mel + 0.01).

    Args:
        samples: (samples,) from -1 to 1, 16,000 a second.

    Returns:
        (rows, 64) float32, a row every 10 ms; sound behind the last full window is left out.

    Raises:
        ValueError: the sound has another shape.
    """
    if samples.ndim != 1:
        raise ValueError(f"samples must have one axis. Received: shape={samples.shape}.")
    num_rows = max(0, 1 + (len(samples) - _WINDOW) // _HOP)
    rows = np.zeros((num_rows, NUM_BANDS), np.float32)
    window = 0.5 - 0.5 * np.cos(2 * np.pi / _WINDOW * np.arange(_WINDOW))
    for start in range(0, num_rows, _ROWS_AT_A_TIME):
        stop = min(start + _ROWS_AT_A_TIME, num_rows)
        part = samples[start * _HOP : (stop - 1) * _HOP + _WINDOW].astype(np.float64)
        frames = np.lib.stride_tricks.sliding_window_view(part, _WINDOW)[::_HOP]
        magnitudes = np.abs(np.fft.rfft(frames * window, _FFT))
        rows[start:stop] = np.log(magnitudes @ _bands() + _OFFSET)
    return rows


def examples(rows: np.ndarray, every: float) -> np.ndarray:
    """Cuts a spectrogram into the examples that VGGish takes.

    Args:
        rows: (rows, 64), see `spectrogram`.
        every: seconds from the beginning of one example to that of the next. VGGish's own
            examples follow each other every 0.96 seconds, without a gap.

    Returns:
        (examples, 96, 64), as many as lie wholly within the spectrogram.

    Raises:
        ValueError: `every` is not positive.
    """
    if not every > 0:
        raise ValueError(f"every must be a positive number of seconds. Received: every={every}.")
    last = len(rows) - EXAMPLE_ROWS
    count = int(last / (every * ROWS_PER_SECOND)) + 2 if last >= 0 else 0
    starts = np.rint(np.arange(count) * every * ROWS_PER_SECOND).astype(int)
    starts = starts[starts <= last]
    return rows[starts[:, None] + np.arange(EXAMPLE_ROWS)]


def _mel(hertz: np.ndarray | float) -> np.ndarray:
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


@functools.cache
def _bands() -> np.ndarray:
    """(257, 64): the weight of each frequency in each band, linear in mel on both sides."""
    frequencies = _mel(np.linspace(0.0, SAMPLE_RATE / 2, _FFT // 2 + 1))[:, None]
    edges = np.linspace(_mel(_LOWEST_HZ), _mel(_HIGHEST_HZ), NUM_BANDS + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising = (frequencies - lower) / (centre - lower)
    falling = (upper - frequencies) / (upper - centre)
    return np.maximum(0.0, np.minimum(rising, falling))
