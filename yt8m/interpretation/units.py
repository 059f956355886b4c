"""The units of a layer: where a clip makes them answer most, and what in it they answer to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from yt8m.base import spec_language
from yt8m.base.errors import UserError
from yt8m.interpretation import backward_rules
from yt8m.modeling import layer_graph


def named_layers(model: keras.Model) -> dict[str, keras.Layer]:
    """Every layer of a model, and of the networks and layers inside it as `outer/inner`."""
    found = {}
    for layer in model.layers:
        if not isinstance(layer, keras.layers.InputLayer):
            found[layer.name] = layer
            found |= {f"{layer.name}/{name}": inner for name, inner in _inside(layer).items()}
    return found


def _inside(layer: keras.Layer) -> dict[str, keras.Layer]:
    network = layer_graph.inner_model(layer)
    if network is not None:
        return named_layers(network)
    found = {}
    for inner in getattr(layer, "_layers", ()):
        found[inner.name] = inner
        found |= {f"{inner.name}/{name}": deeper for name, deeper in _inside(inner).items()}
    return found


class Units:
    """The units of one layer of a model of raw video: the last axis of what the layer answers.

    It needs TensorFlow as the backend.

    Args:
        model: from `pixels`, `flow` or both, and `num_frames`, as `keras_model.build` makes it.
        name: of the layer, see `named_layers`.
        method: of the backward pass, see `backward_rules.rules`.

    Attributes:
        number: how many units the layer has.

    Raises:
        UserError: the model has no such layer, or it has no units or does not look at the clip.
        ValueError: there is no such method.
    """

    def __init__(self, model: keras.Model, name: str, method: str = backward_rules.DECONVNET):
        self.model = model
        self.method = method
        layers = named_layers(model)
        if name not in layers:
            raise UserError(spec_language.unknown("layer of the model", name, list(layers)))
        self.name = name
        self._layer = layers[name]
        self._names = [tensor.name for tensor in model.inputs]
        self._clips = {n: model.get_layer(f"scale_{n}") for n in self._names if n != "num_frames"}
        self._num_frames = next(t.shape[1] for t in model.inputs if t.name in self._clips)
        self._strongest = tf.function(
            self._find_strongest, autograph=False, input_signature=[self._signature(None)]
        )
        number = tf.TensorSpec((), tf.int32)
        self._project = tf.function(
            self._backward, autograph=False, input_signature=[self._signature(1), number, number]
        )
        self._project.get_concrete_function()
        values, *_ = self._strongest.get_concrete_function().structured_outputs
        self.number = values.shape[1]

    def check(self, unit: int) -> None:
        """Fails where the layer has no such unit.

        Raises:
            UserError: it has none.
        """
        if unit >= self.number:
            raise UserError(
                f"The layer {self.name} has {self.number} units, from 0 to {self.number - 1}. "
                f"Received: --unit={unit}."
            )

    def strongest(
        self, batch: dict[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
        """Where each clip makes each unit answer most.

        Args:
            batch: the inputs of the model.

        Returns:
            The greatest activations (batch, units) float32; their places (batch, units), as
            `project` takes them; and how many places there are along each axis of the layer, such
            as time, height and width. A padded frame is no place.
        """
        values, places, shape = self._strongest({name: batch[name] for name in self._names})
        rows, *axes = shape.numpy().tolist()
        return values.numpy(), places.numpy(), tuple(axes if axes and rows == 1 else [rows, *axes])

    def project(self, clip: dict[str, np.ndarray], unit: int, place: int) -> dict[str, np.ndarray]:
        """Projects one activation back to what the model saw.

        Args:
            clip: the inputs of the model, without a batch axis.
            unit: the number of the unit.
            place: where, see `strongest`; a place of one unit is there for the others as well.

        Returns:
            For each of `pixels` and `flow` that the model takes: (frames, height, width, channels)
            float32, what the activation is made of, per unit of the scaled input.

        Raises:
            UserError: it is not finite.
        """
        batch = {name: tf.constant(clip[name][None]) for name in self._names}
        found = self._project(batch, int(unit), int(place))
        projected = {name: values.numpy()[0] for name, values in found.items()}
        if not all(np.isfinite(values).all() for values in projected.values()):
            raise UserError(
                f"What unit {unit} of {self.name} is made of is beyond any number: the weights "
                "are too large. Train the run further, or name an earlier layer in --layer."
            )
        return projected

    def _signature(self, batch_size: int | None) -> dict[str, tf.TensorSpec]:
        return {
            t.name: tf.TensorSpec((batch_size, *t.shape[1:]), t.dtype, t.name)
            for t in self.model.inputs
        }

    def _find_strongest(self, batch):
        answers, _ = self._run(batch)
        num_frames = tf.cast(batch["num_frames"], tf.int32)
        values = tf.concat([self._by_clip(tensor, num_frames) for tensor in answers], 1)
        if len(answers) > 1:
            shape = tf.shape(values)[1:2]
        else:
            rows = tf.shape(answers[0])[:1] // tf.shape(num_frames)
            shape = tf.concat([rows, tf.shape(answers[0])[1:-1]], 0)
        return tf.reduce_max(values, axis=1), tf.argmax(values, axis=1, output_type=tf.int32), shape

    def _backward(self, batch, unit, place):
        with backward_rules.rules(self.method):
            answers, sources = self._run(batch)
        values = tf.concat([tf.reshape(t, (1, -1, t.shape[-1])) for t in answers], 1)
        found = tf.gradients(values[0, place, unit], list(sources.values()))
        if all(gradient is None for gradient in found):
            raise UserError(f"The layer {self.name} does not depend on what is in the clip.")
        return {
            name: tf.zeros_like(source) if gradient is None else tf.cast(gradient, tf.float32)
            for (name, source), gradient in zip(sources.items(), found, strict=True)
        }

    def _run(self, batch):
        """Runs the model.

        Returns:
            What the layer answers, a tensor for each time it is called; and the scaled inputs,
            which gradients can be taken to.
        """
        with _answers_of([self._layer, *self._clips.values()]) as answers:
            self.model(batch, training=False)
        seen = answers[self._layer]
        if not seen or not all(map(_has_units, seen)):
            raise UserError(
                f"The layer {self.name} gives no numbers for each unit. Name another one in "
                "--layer, such as a convolution."
            )
        return seen, {name: answers[layer][0] for name, layer in self._clips.items()}

    def _by_clip(self, tensor, num_frames):
        """Puts the activations of each clip in a row: (batch, places, units).

        Those of padded frames become so low that none is the greatest. A layer may see the frames
        of all clips as one batch. Otherwise a place belongs to a frame where the second axis is
        that of the frames.
        """
        count = tf.shape(num_frames)[0]
        values = tf.cast(tf.reshape(tensor, (count, -1, tensor.shape[-1])), tf.float32)
        number = tf.shape(values)[1]
        has_frames = len(tensor.shape) in (3, 5) and tensor.shape[1] == self._num_frames
        of_frames = (tf.shape(tensor)[0] == count * self._num_frames) | has_frames
        frame = tf.range(number) * self._num_frames // number
        is_padding = of_frames & (frame >= num_frames[:, None])
        return tf.where(is_padding[..., None], values.dtype.min, values)


def _has_units(answer) -> bool:
    """Whether an answer is a tensor of numbers that this graph can reach."""
    return (
        isinstance(answer, tf.Tensor)
        and answer.graph is tf.compat.v1.get_default_graph()
        and answer.dtype.is_floating
        and len(answer.shape) > 1
        and answer.shape[-1] is not None
    )


@contextlib.contextmanager
def _answers_of(layers: list[keras.Layer]) -> Iterator[dict[keras.Layer, list]]:
    """Keeps what layers answer inside the block, of each call."""
    answers: dict[keras.Layer, list] = {layer: [] for layer in layers}

    def listen(layer):
        call = layer.call

        def call_and_keep(*args, **kwargs):
            answer = call(*args, **kwargs)
            answers[layer].append(answer)
            return answer

        layer.call = call_and_keep

    for layer in answers:
        listen(layer)
    try:
        yield answers
    finally:
        for layer in answers:
            del layer.call
