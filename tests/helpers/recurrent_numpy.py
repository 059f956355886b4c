"""Small recurrent models and what NumPy makes of their weights, for their tests."""

import keras
import numpy as np

from frame_models import gru, lstm
from frame_models.layers.recurrent_layer import RecurrentLayer
from video_models import logistic

MODELS = {"lstm": lstm, "gru": gru}
LENGTHS = (6, 1, 0, 4)
TIME, SIZE, CELLS, CLASSES = 6, 5, 3, 7
MASK = np.arange(TIME) < np.array(LENGTHS)[:, None]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def recurrent_layers(model):
    return [layer for layer in model.layers if isinstance(layer, RecurrentLayer)]


def numpy_rnn(cell, x, kernel, recurrent, bias):
    """Reads one video (frames, size): h at each frame, and the final states."""
    h = c = np.zeros(len(recurrent))
    read = []
    for frame in x:
        if cell == "lstm":
            i, f, j, o = np.split(frame @ kernel + h @ recurrent + bias, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(j)
            h = sigmoid(o) * np.tanh(c)
        else:
            n = len(h)
            given = frame @ kernel + bias
            update, reset = np.split(sigmoid(given[: 2 * n] + h @ recurrent[:, : 2 * n]), 2)
            candidate = np.tanh(given[2 * n :] + (reset * h) @ recurrent[:, 2 * n :])
            h = update * h + (1 - update) * candidate
        read.append(h)
    return np.array(read).reshape(-1, len(h)), [c, h] if cell == "lstm" else [h]


def numpy_layer(cell, videos, weights):
    """Reads videos forward and, where there are six weights, backward: h, states and last."""
    read = []
    for x in videos:
        h, states = numpy_rnn(cell, x, *weights[:3])
        last = states[-1:]
        if len(weights) == 6:
            backward, more = numpy_rnn(cell, x[::-1], *weights[3:])
            h = np.concatenate([h, backward[::-1]], axis=-1)
            states, last = states + more, last + more[-1:]
        read.append((h, np.concatenate(states), np.concatenate(last)))
    return read


def make_frames(seed=0, padding=0.0):
    x = np.random.default_rng(seed).normal(size=(len(LENGTHS), TIME, SIZE)).astype("float32")
    return np.where(MASK[..., None], x, np.float32(padding))


def randomise(weighty, seed=1):
    """Sets the weights of a layer or a model, variances to positive numbers."""
    random = np.random.default_rng(seed)
    for weight in weighty.weights:
        value = random.normal(0.3, 0.5, weight.shape)
        weight.assign(np.abs(value) + 0.5 if weight.path.endswith("variance") else value)


def make_model(cell, head=logistic.build, **kwargs):
    frames = keras.Input((None, SIZE), name="x")
    mask = keras.Input((None,), dtype="bool", name="mask")
    build = MODELS[cell].build
    result = build({"x": frames}, mask, CLASSES, cells=CELLS, head=head, **kwargs)
    model = keras.Model({"x": frames, "mask": mask}, result)
    randomise(model)
    return model


def run(model, x, mask=MASK, training=False):
    """Returns all that a model answers, as finite NumPy arrays."""
    result = model({"x": x, "mask": mask}, training=training)
    result = result if isinstance(result, dict) else {"probabilities": result}
    result = {name: keras.ops.convert_to_numpy(value) for name, value in result.items()}
    assert all(np.isfinite(value).all() for value in result.values())
    return result


def read_by_numpy(cell, model, x):
    """What each recurrent layer of a model reads, one after the other."""
    videos, read = [v[:n] for v, n in zip(x, LENGTHS, strict=True)], []
    for layer in recurrent_layers(model):
        read.append(numpy_layer(cell, videos, layer.get_weights()))
        videos = [h for h, _, _ in read[-1]]
    return read
