"""What decides the features of a video. Needs neither TensorFlow nor Apache Beam."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from typing import Any

from frame_models.pixels.layers import image_file
from yt8m.modeling import run_config

NO_WEIGHTS = "none"
IMAGENET = "imagenet"
# The ending of a file that is a graph, not weights.
GRAPH = ".pb"
# Of the networks of keras.applications whose images are not of 224 x 224 pixels.
_IMAGE_SIZES = {
    "efficientnetb1": 240,
    "efficientnetb2": 260,
    "efficientnetb3": 300,
    "efficientnetb4": 380,
    "efficientnetb5": 456,
    "efficientnetb6": 528,
    "efficientnetb7": 600,
    "efficientnetv2b1": 240,
    "efficientnetv2b2": 260,
    "efficientnetv2b3": 300,
    "efficientnetv2l": 480,
    "efficientnetv2m": 480,
    "efficientnetv2s": 384,
    "inceptionresnetv2": 299,
    "inceptionv3": 299,
    "nasnetlarge": 331,
    "xception": 299,
}
_USUAL_IMAGE_SIZE = 224


def image_size(backbone: str) -> int:
    """Height and width in pixels of the images that a backbone of a name was made for."""
    letters = re.sub("[^a-z0-9]", "", backbone.lower())
    return _IMAGE_SIZES.get(letters, _USUAL_IMAGE_SIZE)


@dataclasses.dataclass(frozen=True)
class FeatureSettings:
    """How features are made of a video.

    Attributes:
        backbone: the network that makes a frame a vector, see `frame_models.pixels`: its name, or
            the path of a `.keras` file.
        image_size: height and width that frames are resized to.
        weights: `none` for random ones, or for those that the file of the backbone holds;
            `imagenet`; or the path of a file: of weights, or of the graph that YouTube-8M's
            features were made by (`.pb`).
        seed: of random weights.
        frames_per_second: frames taken of a second.
        max_frames: frames after these are left out.
        vggish_weights: the file of VGGish's weights; empty where sound is left out.
        vggish_pca: the file of its projection; empty where there is none.
        batch_size: frames that the network sees at a time.
        pixel_range: the least and the greatest pixel that the network of a file takes; () for -1
            and 1.
        train_dir: a run of raw video that makes windows of frames vectors, in place of a backbone;
            empty for none.
        layer: of that run, see `layer_values.model_of`.
        window_stride: frames from the start of a window to that of the next; 0 for as many as a
            clip spans.
    """

    backbone: str = "inceptionv3"
    image_size: int = 299
    weights: str = IMAGENET
    seed: int = 0
    frames_per_second: float = 1.0
    max_frames: int = 360
    vggish_weights: str = ""
    vggish_pca: str = ""
    batch_size: int = 32
    pixel_range: tuple[float, ...] = ()
    train_dir: str = ""
    layer: str = "embedding"
    window_stride: int = 0

    @property
    def every(self) -> float:
        """Seconds from one frame to the next."""
        return 1 / self.frames_per_second

    def with_absolute_paths(self) -> FeatureSettings:
        """The same settings for workers that run in another working directory."""
        names = ["weights", "vggish_weights", "vggish_pca", "train_dir"]
        names += ["backbone"] if image_file.is_file(self.backbone) else []
        paths = {name: getattr(self, name) for name in names}
        paths = {n: path for n, path in paths.items() if path not in ("", NO_WEIGHTS, IMAGENET)}
        return dataclasses.replace(self, **{n: os.path.abspath(p) for n, p in paths.items()})


# What features of two extractions must share for a model of the one to take the other's.
OF_NETWORKS = ("backbone", "image_size", "weights", "audio", "layer", "clips", "flow")


def difference(old: dict[str, Any], new: dict[str, Any], keys: tuple[str, ...] = ()) -> list[str]:
    """A line for each value in which two descriptions differ: `name: old -> new`.

    Args:
        old: a description, plain dictionaries.
        new: another one.
        keys: of the outermost dictionary; empty compares all.
    """
    before, after = (
        run_config.flatten({k: v for k, v in values.items() if k in keys or not keys})
        for values in (old, new)
    )
    return [
        f"{key}: {_shown(before.get(key))} -> {_shown(after.get(key))}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key) != after.get(key)
    ]


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 70 else f"{text[:66]} ..."
