"""Which TensorFlow 1 variables fill which weights of a model. Needs no TensorFlow.

The names are those of the google/youtube-8m starter code, of the 2017 winner's code and of
NeXtVLAD's authors, see https://arxiv.org/abs/1609.08675, https://arxiv.org/abs/1706.06905 and
https://arxiv.org/abs/1811.05014.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import keras
import numpy as np

from frame_models.layers.cluster_pooling import ClusterPooling
from frame_models.layers.deep_bag_of_frames import DeepBagOfFrames
from frame_models.layers.gated_soft_dbow import GatedSoftDBoW
from frame_models.layers.netfv import NetFV
from frame_models.layers.netvlad import NetVLAD
from frame_models.layers.netvlagd import NetVLAGD
from frame_models.layers.nextvlad import NeXtVLAD
from frame_models.layers.recurrent_layer import RecurrentLayer
from frame_models.layers.soft_dbow import SoftDBoW
from video_models.layers.context_gating import ContextGating
from video_models.layers.mixture_of_experts import MixtureOfExperts
from video_models.layers.squeeze_gating import SqueezeGating
from yt8m.conversion import weight_places
from yt8m.conversion.weight_places import Place

_FEATURES = ("video", "audio")
_STATISTICS = ("gamma", "beta", "moving_mean", "moving_variance")
_COUNTERS = ("global_step", "beta1_power", "beta2_power")
_SLOTS = tuple(
    slot + number
    for slot in ("Adam", "Adagrad", "Adadelta", "Ftrl", "Momentum", "RMSProp")
    for number in ("", "_1")
)


def fill(model: keras.Model, variables: dict[str, np.ndarray]) -> None:
    """Sets every weight of a model from TensorFlow 1 variables.

    Args:
        model: of stored features, as `keras_model.build` makes it, or of frames and their mask.
        variables: name -> value, the names as `clean_names` gives them.

    Raises:
        ValueError: a variable has no place, a weight no variable, or a shape does not fit. It
            names them all, and nothing is set.
    """
    places = list(_places(model))
    weight_places.fill(model, places, variables, _shared(places))


def clean_names(names: list[str]) -> dict[str, str]:
    """Finds the variables of the model itself among those of a checkpoint.

    Counters and the optimizer's state are left out. The scopes `tower` and `RNN` are taken off, and
    the cells of TensorFlow before 1.2, whose variables are `weights` and `biases`, get their later
    names.

    Args:
        names: of all variables in the checkpoint.

    Returns:
        Name for `fill` -> name in the checkpoint.
    """
    clean = {}
    for name in names:
        parts = name.split("/")
        if parts[-1] in _COUNTERS or parts[-1] in _SLOTS:
            continue
        while parts[0] in ("tower", "RNN"):
            parts = parts[1:]
        if any(part.endswith("_cell") for part in parts):
            parts[-1] = {"weights": "kernel", "biases": "bias"}.get(parts[-1], parts[-1])
        clean["/".join(parts)] = name
    return clean


def _shared(places: list[Place]) -> list[str]:
    """Variables that would fill weights of several layers of a kind, such as two classifiers."""
    filled: dict[str, str] = {}
    problems = []
    for place in places:
        if len(place.names) > 1 or place.names[0].startswith("input_bn/"):
            continue  # Made of several, or cut by feature.
        (name,), layer = place.names, place.weight.path.partition("/")[0]
        if filled.setdefault(name, layer) != layer:
            problems.append(f"the variable {name} would fill both {filled[name]} and {layer}")
    return problems


def _places(model: keras.Model) -> Iterator[Place]:
    """The place of every weight for which there is a rule."""
    layers = [layer for layer in model.layers if layer.weights]
    norms = [layer for layer in layers if _is_norm(layer) and _rank(layer) == 3]
    input_bn = _InputNorm(norms)
    poolings = [layer for layer in layers if isinstance(layer, (ClusterPooling, DeepBagOfFrames))]
    nextvlads = [layer for layer in layers if isinstance(layer, NeXtVLAD)]
    recurrent = [layer for layer in layers if isinstance(layer, RecurrentLayer)]
    is_probability = False
    for layer in layers:
        if layer in norms:
            yield from input_bn.places(norms.index(layer))
        elif layer in poolings:
            yield from _pooling(layer, poolings.index(layer), input_bn)
        elif layer in recurrent and not layer.bidirectional:
            yield from _recurrent(layer, recurrent.index(layer))
        elif layer in nextvlads:
            yield from _nextvlad(layer, nextvlads.index(layer))
        elif isinstance(layer, SqueezeGating):
            yield Place(layer.squeeze, ("gating_weights_1",))
            yield Place(layer.expand, ("gating_weights_2",))
            yield from _norm(layer.batch_norm, "gating_bn")
        elif isinstance(layer, MixtureOfExperts):
            is_probability = True
            yield from _mixture(layer)
        elif isinstance(layer, ContextGating):
            yield from _gating(layer, is_probability)
        elif isinstance(layer, keras.layers.Dense):
            names = ("hidden1_weights", "hidden1_biases")
            if layer is layers[-1]:
                names = ("fully_connected/weights", "fully_connected/biases")
            yield from (Place(w, (name,)) for w, name in zip(layer.weights, names, strict=False))
        elif _is_norm(layer):
            yield from _norm(layer, "hidden1_bn")


def _is_norm(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def _rank(layer: keras.layers.Layer) -> int:
    return len(keras.tree.flatten(layer.input)[0].shape)


class _InputNorm:
    """`input_bn` normalises the joined frame; here each feature has a batch norm of its own.

    Where an assignment's batch norm follows at once, ours has no offset: the offset of the
    original shifts what that batch norm takes for its mean.
    """

    def __init__(self, norms: list[keras.layers.BatchNormalization]):
        sizes = [layer.gamma.shape[0] for layer in norms]
        ends = np.cumsum([0, *sizes])
        self.norms = norms
        self.parts = [slice(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]
        self.size = ends[-1]

    def places(self, position: int) -> Iterator[Place]:
        norm, cut = self.norms[position], self._cut(position)
        for name in _STATISTICS:
            weight = getattr(norm, name)
            if weight is not None:
                yield Place(weight, (f"input_bn/{name}",), cut)

    def shifted_mean(self, position: int) -> Callable[..., np.ndarray] | None:
        """From the mean, the offset and the kernel behind it to the mean without the offset."""
        if self.norms[position].center:
            return None
        cut = self._cut(position)
        return lambda mean, beta, kernel: mean - cut(beta) @ kernel

    def _cut(self, position: int) -> Callable[[np.ndarray], np.ndarray]:
        """The part of the joined frame; all of it, to be refused, if that is of another size."""
        return lambda value: value[self.parts[position]] if len(value) == self.size else value


def _norm(layer: keras.layers.BatchNormalization, scope: str) -> Iterator[Place]:
    for name in _STATISTICS:
        yield Place(getattr(layer, name), (f"{scope}/{name}",))


def _pooling(layer, position: int, input_bn: _InputNorm) -> Iterator[Place]:
    """The cluster weights of one feature, and what the kind of pooling adds."""
    scope = _scope(layer, position)
    assignment = getattr(layer, "assignment", layer)
    yield Place(assignment.kernel, (f"{scope}cluster_weights",))
    shifted = input_bn.shifted_mean(position)
    for place in _norm(assignment.batch_norm, f"{scope}cluster_bn"):
        if shifted and place.weight is assignment.batch_norm.moving_mean:
            names = (*place.names, "input_bn/beta", f"{scope}cluster_weights")
            place = Place(place.weight, names, shifted)
        yield place
    if isinstance(layer, NetFV):
        yield Place(layer.scales, (f"{scope}covar_weights",))
    if isinstance(layer, NetVLAD) or (isinstance(layer, NetFV) and not layer.coupled):
        yield Place(
            layer.centres, (f"{scope}cluster_weights2",), lambda value: np.squeeze(value, 0)
        )
    if isinstance(layer, NetVLAGD):
        yield Place(layer.gates, (f"{scope}gate_weights",), lambda value: np.squeeze(value, 0).T)
    if isinstance(layer, GatedSoftDBoW):
        yield Place(layer.reduction, (f"{scope}dim_red",))
        yield Place(layer.expansion, (f"{scope}cluster_weights_2",))
        yield from _norm(layer.gate_norm, f"{scope}cluster_bn_2")


def _nextvlad(layer: NeXtVLAD, position: int) -> Iterator[Place]:
    """The weights of one feature: two dense layers, the clusters and two batch norms."""
    scope = _scope(layer, position)
    for dense, name in ((layer.expand, "fully_connected"), (layer.attention, "fully_connected_1")):
        yield Place(dense.kernel, (f"{scope}{name}/weights",))
        yield Place(dense.bias, (f"{scope}{name}/biases",))
    yield Place(layer.kernel, (f"{scope}cluster_weights",))
    yield Place(layer.centres, (f"{scope}cluster_weights2",), lambda value: np.squeeze(value, 0))
    yield from _norm(layer.cluster_norm, f"{scope}cluster_bn")
    yield from _norm(layer.output_norm, f"{scope}vlad_bn")


def _scope(layer, position: int) -> str:
    if isinstance(layer, DeepBagOfFrames):
        return ""
    kinds = {NetFV: "FV", SoftDBoW: "DBOF", GatedSoftDBoW: "DBOF"}
    feature = _FEATURES[position] if position < len(_FEATURES) else f"feature{position}"
    return f"{feature}_{kinds.get(type(layer), 'VLAD')}/"


def _recurrent(layer: RecurrentLayer, position: int) -> Iterator[Place]:
    """One kernel for the input and the state, which are joined in this order, becomes two."""
    scope = f"rnn/multi_rnn_cell/cell_{position}"
    cell = layer.forward_rnn.cell
    size = cell.kernel.shape[0]
    if layer.cell == "lstm":
        kernel, bias = (f"{scope}/basic_lstm_cell/{name}" for name in ("kernel", "bias"))
        yield Place(cell.kernel, (kernel,), lambda value: _lstm_order(value)[:size])
        yield Place(cell.recurrent_kernel, (kernel,), lambda value: _lstm_order(value)[size:])
        yield Place(cell.bias, (bias,), _lstm_bias)
    else:
        kernels = tuple(f"{scope}/gru_cell/{part}/kernel" for part in ("gates", "candidate"))
        biases = tuple(f"{scope}/gru_cell/{part}/bias" for part in ("gates", "candidate"))
        yield Place(cell.kernel, kernels, lambda *values: _gru_order(*values)[:size])
        yield Place(cell.recurrent_kernel, kernels, lambda *values: _gru_order(*values)[size:])
        yield Place(cell.bias, biases, _gru_order)


def _lstm_order(value: np.ndarray) -> np.ndarray:
    """Input, candidate, forget and output gate of TensorFlow 1 in the order of Keras."""
    i, j, f, o = np.split(value, 4, axis=-1)
    return np.concatenate([i, f, j, o], axis=-1)


def _lstm_bias(value: np.ndarray) -> np.ndarray:
    """TensorFlow 1 adds 1 to the forget gate when the cell runs; Keras has it in the bias."""
    i, f, j, o = np.split(_lstm_order(value), 4)
    return np.concatenate([i, f + 1, j, o])


def _gru_order(gates: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """Reset and update gate of TensorFlow 1, and the candidate, in the order of Keras."""
    reset, update = np.split(gates, 2, axis=-1)
    return np.concatenate([update, reset, candidate], axis=-1)


def _gating(layer: ContextGating, is_probability: bool) -> Iterator[Place]:
    scope, suffix = ("gating_prob", "") if is_probability else ("gating", "_2")
    yield Place(layer.kernel, (f"{scope}_weights{suffix}",))
    yield from _norm(layer.batch_norm, f"{scope}_bn")


def _mixture(layer: MixtureOfExperts) -> Iterator[Place]:
    gates = [layer.gates] if layer.low_rank_gates is None else [layer.gates1, layer.gates2]
    for dense in (*gates, layer.experts):
        yield Place(dense.kernel, (f"{dense.name}/weights",))
        if dense.bias is not None:
            yield Place(dense.bias, (f"{dense.name}/biases",))
