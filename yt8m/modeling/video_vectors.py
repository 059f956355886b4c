"""Vectors of the whole video beside its frames: they join what a frame model pooled of these."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras

from yt8m.base.spec_language import Spec

_OF_FRAMES = ("frames", "mask")
_OF_VECTORS = ("features",)


def joined_to_head(spec: Spec, vectors: Sequence[keras.KerasTensor]) -> Callable:
    """A frame model whose head is called with its features and, behind them, the vectors.

    The head is the setting that is a model of one vector. Models that call others, as `sample` and
    `mixture` do, have it inside them: each of their models sees the vectors. The gate of a mixture
    does not.

    Args:
        spec: of the model.
        vectors: (batch, size) each, scaled as the model is to see them.

    Returns:
        A function to call as `build` of the model, its settings given.

    Raises:
        ValueError: the model has no head.
    """
    return _joined(spec, vectors).partial()


def _joined(spec: Spec, vectors: Sequence[keras.KerasTensor]) -> Spec:
    settings = {name: _replaced(value, vectors) for name, value in spec.settings.items()}
    if all(settings[name] is value for name, value in spec.settings.items()):
        raise ValueError(
            f"{spec.name} has no head that a vector beside the frames could join. Choose a model "
            "that pools the frames, such as netvlad, or leave out --video_feature_names."
        )
    return dataclasses.replace(spec, settings=settings)


def _replaced(value: Any, vectors: Sequence[keras.KerasTensor]) -> Any:
    """A setting, its models joined with the vectors; the very same value where it has none."""
    if isinstance(value, tuple) and any(isinstance(each, Spec) for each in value):
        return tuple(_replaced(each, vectors) for each in value)
    if not isinstance(value, Spec):
        return value
    if value.inputs == _OF_VECTORS:
        return _with_vectors(value.partial(), vectors)
    return _joined(value, vectors) if value.inputs == _OF_FRAMES else value


def _with_vectors(head: Callable, vectors: Sequence[keras.KerasTensor]) -> Callable:
    def joined(features: keras.KerasTensor, num_classes: int) -> Any:
        return head(keras.layers.Concatenate()([features, *vectors]), num_classes)

    return joined
