"""Small videos of two kinds, and a manifest of them."""

from __future__ import annotations

import csv
from pathlib import Path

import av
import numpy as np

HEIGHT, WIDTH = 24, 32


def write_clip(path: Path, label: str, seed: int, num_frames: int = 12) -> None:
    """A bright square that moves to the `left` or to the `right` on a dark ground.

    Besides, it is red where it goes left and blue where it goes right, so that one frame tells.
    """
    random = np.random.default_rng(seed)
    row, column = int(random.integers(4, HEIGHT - 12)), int(random.integers(WIDTH))
    speed = -2 if label == "left" else 2
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=12)
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        stream.bit_rate = 400_000
        for number in range(num_frames):
            image = random.integers(0, 40, (HEIGHT, WIDTH, 3)).astype(np.uint8)
            columns = (column + speed * number + np.arange(8)) % WIDTH
            image[row : row + 8, columns, 0 if label == "left" else 2] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())


def write_clips(folder: Path, num_train: int = 12, num_validate: int = 6) -> Path:
    """Writes clips into folders of their labels and a manifest of two splits.

    Returns:
        The path of the manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in range(num_train + num_validate):
        label = ("left", "right")[seed % 2]
        (folder / label).mkdir(exist_ok=True)
        name = f"{label}/v_g{seed // 2:02d}_c{seed % 2:02d}.mp4"
        write_clip(folder / name, label, seed)
        split = "train" if seed < num_train else "validate"
        rows.append([name, label, f"g{seed // 2:02d}", split])
    path = folder / "clips.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "group", "split"])
        writer.writerows(rows)
    return path
