"""Small schemas, a batch of frames, and what a model answers to it: for several tests."""

import keras
import numpy as np

from yt8m.data.schema import Feature, Schema

FRAMES = Schema("frame", (Feature("rgb", 6, "uint8", "rgb"), Feature("audio", 3, "uint8", "audio")))
VIDEOS = Schema("video", (Feature("mean_rgb", 6, "float32", "mean_rgb"),))


def frame_batch(rows=4, time=7, seed=0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "rgb": rng.integers(0, 256, (rows, time, 6)).astype(np.uint8),
        "audio": rng.integers(0, 256, (rows, time, 3)).astype(np.uint8),
        "num_frames": np.array([time, 1, 3, 2], np.int32)[:rows],
    }


def predict(model: keras.Model, batch: dict) -> np.ndarray:
    return np.asarray(model(batch, training=False))
