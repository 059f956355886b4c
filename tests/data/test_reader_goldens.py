"""The reader gives exactly what the original reader made of the same records."""

import keras
import numpy as np
import pytest
from shard_files import batches

from yt8m.data.detect import detect
from yt8m.data.labels import multi_hot_array
from yt8m.data.reader import Reader
from yt8m.data.segment_reader import SegmentReader
from yt8m.modeling.preprocessing import Dequantize

NUM_CLASSES = 3862


def read(path: str, kind: type[Reader] = Reader, **settings) -> list[dict[str, np.ndarray]]:
    """All batches of a shard, in order."""
    schema = detect([path])
    return batches(kind([path], schema, NUM_CLASSES, **settings).sequential())


def dequantized(batch: dict[str, np.ndarray]) -> np.ndarray:
    """(batch, time, 1152): both features side by side."""
    layer = Dequantize()
    parts = [keras.ops.convert_to_numpy(layer(batch[name])) for name in ("rgb", "audio")]
    return np.concatenate(parts, axis=-1)


def check_values(values: np.ndarray, golden: dict[str, np.ndarray], rows=slice(None)) -> None:
    """Compares vectors by their first and last 8 values and their sum."""
    np.testing.assert_array_equal(values[..., :8], golden["video_matrix_first8"][rows])
    np.testing.assert_array_equal(values[..., -8:], golden["video_matrix_last8"][rows])
    sums = values.sum(axis=-1, dtype=np.float64)
    np.testing.assert_allclose(sums, golden["video_matrix_sum"][rows], rtol=0, atol=1e-5)


def matrix(indices: np.ndarray, values: np.ndarray, rows: int) -> np.ndarray:
    """The dense form of a golden's (row, class) pairs."""
    dense = np.zeros((rows, NUM_CLASSES), np.float32)
    dense[tuple(indices.T)] = values
    return dense


def test_videos_are_read_as_by_the_original(golden, golden_shard):
    expected = golden("reader_video")
    (batch,) = read(golden_shard("reader_video"), batch_size=6)
    np.testing.assert_array_equal(batch["ids"].astype("S"), expected["video_ids"])
    values = np.concatenate([batch["mean_rgb"], batch["mean_audio"]], axis=-1)
    assert values.shape == tuple(expected["video_matrix_shape"])
    check_values(values, expected)
    labels = matrix(expected["labels_nonzero"], expected["labels_values"], 6)
    np.testing.assert_array_equal(multi_hot_array(batch["labels"], NUM_CLASSES), labels)


def test_frames_are_read_as_by_the_original(golden, golden_shard):
    expected = golden("reader_frame")
    (batch,) = read(golden_shard("reader_frame"), batch_size=5, max_frames=300)
    np.testing.assert_array_equal(batch["ids"].astype("S"), expected["video_ids"])
    np.testing.assert_array_equal(batch["num_frames"], expected["num_frames"])
    assert (batch["rgb"].dtype, batch["audio"].dtype) == (np.uint8, np.uint8)
    values = dequantized(batch)
    assert values.shape == tuple(expected["video_matrix_shape"])
    # The original pads with zeros after dequantising; here a mask says what is padding.
    values[np.arange(300) >= batch["num_frames"][:, None]] = 0
    check_values(values, expected)
    labels = matrix(expected["labels_nonzero"], expected["labels_values"], 5)
    np.testing.assert_array_equal(multi_hot_array(batch["labels"], NUM_CLASSES), labels)


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_frame_level_in_small_batches(batch_size, golden, golden_shard):
    expected = golden("reader_frame")
    row = 0
    for batch in read(golden_shard("reader_frame"), batch_size=batch_size, max_frames=300):
        rows = slice(row, row + len(batch["ids"]))
        longest = expected["num_frames"][rows].max()
        assert batch["rgb"].shape[1] == longest
        values = dequantized(batch)
        values[np.arange(longest) >= batch["num_frames"][:, None]] = 0
        shown = {
            key: expected[key][rows, :longest]
            for key in expected
            if "matrix_" in key[5:] and expected[key].ndim > 1
        }
        check_values(values, shown)
        row = rows.stop
    assert row == 5


def test_all_frames(golden_shard):
    (batch,) = read(golden_shard("reader_frame"), batch_size=5, max_frames=None)
    np.testing.assert_array_equal(batch["num_frames"], [1, 7, 50, 300, 330])
    assert batch["rgb"].shape == (5, 330, 1024)


def test_segments_are_read_as_by_the_original(golden, golden_shard):
    expected = golden("reader_segment")
    (batch,) = read(golden_shard("reader_segment"), SegmentReader, batch_size=99)
    np.testing.assert_array_equal(batch["ids"].astype("S"), expected["video_ids"])
    np.testing.assert_array_equal(batch["num_frames"], expected["num_frames"])
    values = dequantized(batch)
    assert values.shape == tuple(expected["video_matrix_shape"])
    check_values(values, expected)
    rows = len(values)
    weights = matrix(expected["label_weights_nonzero"], 1, rows)
    np.testing.assert_array_equal(multi_hot_array(batch["labels"], NUM_CLASSES), weights)
    positive = np.where(batch["label_scores"] > 0, batch["labels"], -1)
    labels = matrix(expected["labels_nonzero"], expected["labels_values"], rows)
    np.testing.assert_array_equal(multi_hot_array(positive, NUM_CLASSES), labels)
