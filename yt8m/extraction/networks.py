"""The networks of an extraction, and what is known of them."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from collections.abc import Callable, Iterable

import keras
import numpy as np

from frame_models.pixels.layers import backbones, image_file
from yt8m.base import archives
from yt8m.base.errors import UserError
from yt8m.extraction import clip_network, inception_graph, vggish
from yt8m.extraction.clip_network import ClipNetwork
from yt8m.extraction.feature_settings import GRAPH, IMAGENET, NO_WEIGHTS, FeatureSettings

# By which a video's frames are counted and its sound is placed; 0.1.0 had others, and no number.
_FRAME_RULES = 2
Network = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Networks:
    """What makes frames and sound vectors.

    Attributes:
        frames: (batch, height, width, 3) uint8 to (batch, frame_size) float32.
        frame_size: values of the vector of a frame.
        digests: hashes that identify the networks: `weights`, and `vggish` and `vggish_pca` where
            sound is taken.
        audio: examples (batch, 96, 64) to (batch, 128); None where sound is left out.
        clips: makes windows of frames vectors; then `frames` is None.
    """

    frames: Network | None
    frame_size: int
    digests: dict[str, str]
    audio: Network | None = None
    clips: ClipNetwork | None = None


@functools.lru_cache(maxsize=1)
def load(settings: FeatureSettings) -> Networks:
    """Builds the networks, once in a process.

    Raises:
        UserError: there is no such network, or a file of weights cannot be used.
    """
    if settings.train_dir:
        clips = ClipNetwork(settings)
        digests = {"weights": file_digest(clip_network.model_path(settings))}
        return Networks(None, clips.size, digests, clips=clips)
    digests, audio = {}, None
    if settings.vggish_weights:
        audio = _load_audio(settings, digests)
    if settings.weights.endswith(GRAPH):
        _check_graph(settings)
        frames, size = inception_graph.load(settings.weights), inception_graph.SIZE
        digests["weights"] = file_digest(settings.weights)
    else:
        model = frame_model(settings)
        frames, size = functools.partial(predict, model), model.output.shape[-1]
        of_file = image_file.is_file(settings.backbone)
        digests["weights"] = (
            file_digest(settings.backbone) if of_file else digest(model.get_weights())
        )
    return Networks(frames, size, digests, audio)


def frame_model(settings: FeatureSettings) -> keras.Model:
    """The network of frames: the backbone's last map, averaged over its places.

    Raises:
        UserError: there is no such backbone, or the weights are not those of one.
    """
    keras.utils.set_random_seed(settings.seed)
    size = (settings.image_size, settings.image_size)
    images = keras.Input((*size, 3), dtype="uint8", name="images")
    weights = None if settings.weights == NO_WEIGHTS else settings.weights
    try:
        for path in (weights, settings.backbone):
            if path not in (None, IMAGENET) and os.path.isfile(path):
                archives.check_if_zipped(path)
        x = backbones.add_backbone(
            keras.layers.Rescaling(1 / 127.5, offset=-1.0)(images),
            settings.backbone,
            weights=weights,
            pixel_range=settings.pixel_range or None,
        )
    except ValueError as error:
        hint = " Keras downloads those of imagenet: name a local file instead where it cannot."
        raise UserError(
            f"There is no such network (--backbone={settings.backbone}, "
            f"--weights={settings.weights}, --image_size={settings.image_size}): {error}"
            f"{hint if weights == IMAGENET else ''}"
        ) from None
    if len(x.shape) == 4:
        x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, x)


def predict(model: keras.Model, batch: np.ndarray) -> np.ndarray:
    """The answer of a model to a batch, as an array."""
    return np.asarray(model.predict_on_batch(batch), np.float32)


def describe(settings: FeatureSettings, networks: Networks) -> dict:
    """What decides the features, without their whitening, as plain dictionaries.

    Weights are identified by their content, not by their path.
    """
    digests = networks.digests
    if networks.clips is not None:
        described = clip_network.describe(settings, networks.clips.config)
        described |= {"weights": digests["weights"], "audio": None}
        return described | {"frame_rules": _FRAME_RULES, "max_frames": settings.max_frames}
    audio = {name: digests.get(name) for name in ("vggish", "vggish_pca")}
    return {
        "backbone": _called(settings),
        "image_size": settings.image_size,
        "weights": digests["weights"],
        "frames_per_second": settings.frames_per_second,
        "frame_rules": _FRAME_RULES,
        "max_frames": settings.max_frames,
        "audio": audio if networks.audio is not None else None,
    }


def _called(settings: FeatureSettings) -> str:
    """What identifies a network besides its weights: of a file its pixels, wherever it is."""
    if not image_file.is_file(settings.backbone):
        return backbones.canonical(settings.backbone)
    low, high = settings.pixel_range or backbones.PIXEL_RANGE
    return f"a {image_file.ENDING} file of pixels from {low:g} to {high:g}"


def _load_audio(settings: FeatureSettings, digests: dict[str, str]) -> Network:
    project = None
    if settings.vggish_pca:
        project = vggish.load_projection(settings.vggish_pca)
        digests["vggish_pca"] = digest([project.eigenvectors, project.means])
    model = vggish.load(settings.vggish_weights)
    digests["vggish"] = digest(model.get_weights())
    if project is None:
        return functools.partial(predict, model)
    return lambda examples: project(predict(model, examples))


def _check_graph(settings: FeatureSettings) -> None:
    received = backbones.canonical(settings.backbone), settings.image_size
    if received != ("inceptionv3", inception_graph.IMAGE_SIZE):
        raise UserError(
            f"The graph {settings.weights} is of inceptionv3 and frames of "
            f"{inception_graph.IMAGE_SIZE} x {inception_graph.IMAGE_SIZE} pixels. Received: "
            f"--backbone={received[0]}, --image_size={received[1]}."
        )


def file_digest(path: str) -> str:
    """A hash of the content of a file."""
    with open(path, "rb") as file:
        return digest([file.read()])


def digest(parts: Iterable[np.ndarray | bytes]) -> str:
    """A hash of the content of arrays, or of bytes."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).tobytes())
    return found.hexdigest()
