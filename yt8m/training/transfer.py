"""Weights of one run for the model of another: fine-tuning. Needs no TensorFlow."""

from __future__ import annotations

import keras
import numpy as np
from absl import logging

from yt8m.base.errors import UserError
from yt8m.data.schema import Schema
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.modeling import layer_graph
from yt8m.runs import Run

_SHOWN = 5
_RGB = 3

# Weights by name, see `layer_graph.parts`.
_Weights = dict[str, keras.Variable]


def initialize(
    model: keras.Model, source: Run, normalize: str, schema: Schema | ClipSchema | None = None
) -> int:
    """Gives the weights of a run to a model that has some of the same layers.

    A weight is found by its name, such as `net_vlad/assignment/kernel`. A weight keeps its value,
    and a warning names it, where the source lacks it or has it in another shape, such as a
    classifier over other classes.

    A part of the model that is a model itself, such as the temporal stream of `two_stream`, may
    also come from a run of that stream alone, and a stream may come from a run of both. It is
    taken from the model, or the part of a model, that has all of its weights except those of the
    last layer.

    Where nothing else differs, the first convolution may be over other channels than the red,
    green and blue of the source. A network of optical flow thus begins as one of images, and each
    of its channels gets the mean of the three.

    Args:
        model: the model to train, functional, as it was built: no layer is frozen yet.
        source: the run to take weights from.
        normalize: how the features of `model` are scaled. A warning is logged where those of the
            source were scaled otherwise.
        schema: what `model` learns from. Where its classes have other names than the source's, the
            classifier is not taken, even if it has the same size. None if the names are unknown.

    Returns:
        The number of variables that were taken.

    Raises:
        UserError: the two have no weight in common.

    Reference:
        The mean over the channels: Wang et al., Towards good practices for very deep two-stream
        ConvNets, https://arxiv.org/abs/1507.02159, section 3.
    """
    mine, theirs = layer_graph.parts(model), layer_graph.parts(source.model)
    namesakes = _of_same_name(mine[""], theirs[""])
    given = {
        id(variable): namesakes[id(variable)]
        for variable in model.weights
        if id(variable) in namesakes and namesakes[id(variable)].shape == variable.shape
    }
    for part, other in _pairs(mine, theirs, set(given), _last_weights(model), source.train_dir):
        namesakes |= _of_same_name(mine[part], theirs[other])
        given |= _matches(mine[part], theirs[other])
    if _other_classes(source, schema):
        given = {k: v for k, v in given.items() if k not in _last_weights(model)}
    for variable in model.weights:
        if id(variable) in given:
            variable.assign(_adapted(given[id(variable)], variable))
    _report(model, source, _not_taken(mine, namesakes, set(given)), len(given))
    trained_with = source.config.normalize
    if trained_with not in (None, normalize):
        logging.warning(
            "%s was trained with --normalize=%s, not %s.", source.train_dir, trained_with, normalize
        )
    return len(given)


def _other_classes(source: Run, schema: Schema | ClipSchema | None) -> bool:
    """Whether both know the names of their classes, and they differ."""
    mine, theirs = (getattr(known, "classes", None) for known in (schema, source.config.schema))
    return mine is not None and theirs is not None and mine != theirs


def _of_same_name(mine: _Weights, theirs: _Weights) -> dict[int, keras.Variable]:
    """The weights of the source by the ids of mine that have the same name."""
    return {id(variable): theirs[name] for name, variable in mine.items() if name in theirs}


def _last_weights(model: keras.Model) -> set[int]:
    """The ids of the weights that no other layer follows: those of the classifier."""
    ranks = layer_graph.ranks(model)
    return {id(weight) for layer in ranks if ranks[layer] == 0 for weight in layer.weights}


def _pairs(
    mine: dict[str, _Weights],
    theirs: dict[str, _Weights],
    settled: set[int],
    last: set[int],
    where: str,
) -> list[tuple[str, str]]:
    """The parts to take from a part of the source, outer ones first, each with that part.

    These are the parts that lack more than their last layer so far.
    """
    pairs = []
    settled = settled | last
    for part, weights in mine.items():
        if all(id(variable) in settled for variable in weights.values()):
            continue
        fitting = [name for name, held in theirs.items() if _fits(weights, held, last)]
        exact = [name for name in fitting if not _other_channels(weights, theirs[name])]
        chosen = exact or fitting
        if len(chosen) > 1:
            names = " and ".join(_title(name) for name in chosen)
            logging.warning("In %s, %s fit %s: none is taken.", where, names, _title(part))
        elif chosen:
            _report_part(part, chosen[0], weights, theirs[chosen[0]], where)
            pairs.append((part, chosen[0]))
            settled |= set(_matches(weights, theirs[chosen[0]]))
    return pairs


def _fits(mine: _Weights, theirs: _Weights, last: set[int]) -> bool:
    """Whether the source has all weights of a part, except those of the last layer."""
    matches = set(_matches(mine, theirs))
    missing = {id(variable) for variable in mine.values()} - matches
    return bool(matches - last) and missing <= last


def _matches(mine: _Weights, theirs: _Weights) -> dict[int, keras.Variable]:
    return {
        id(variable): theirs[name]
        for name, variable in mine.items()
        if name in theirs
        and (theirs[name].shape == variable.shape or _is_rgb_of(theirs[name], variable))
    }


def _other_channels(mine: _Weights, theirs: _Weights) -> list[str]:
    """The convolutions over other channels, which are over red, green and blue in the source."""
    return [name for name in mine if name in theirs and _is_rgb_of(theirs[name], mine[name])]


def _is_rgb_of(given: keras.Variable, variable: keras.Variable) -> bool:
    """Whether two are kernels of a convolution, and only the first one's input is an image."""
    there, here = tuple(given.shape), tuple(variable.shape)
    return (
        len(there) == len(here) >= 4
        and there[-2] == _RGB != here[-2]
        and (*there[:-2], there[-1]) == (*here[:-2], here[-1])
    )


def _adapted(given: keras.Variable, variable: keras.Variable) -> np.ndarray:
    """The value of a weight of the source, its channels made those of `variable`."""
    value = keras.ops.convert_to_numpy(given)
    if value.shape == tuple(variable.shape):
        return value
    return np.repeat(value.mean(axis=-2, keepdims=True), variable.shape[-2], axis=-2)


def _not_taken(
    mine: dict[str, _Weights], namesakes: dict[int, keras.Variable], given: set[int]
) -> list[str]:
    """What is not taken, a line each: whole parts, and single weights of other parts."""
    lines, told = [], set(given)
    for part, weights in mine.items():
        ids = {id(variable) for variable in weights.values()}
        if part and not ids & told:
            lines.append(f"{_title(part)} ({len(ids)} variables)")
            told |= ids
    for name, variable in mine[""].items():
        if id(variable) not in told:
            source = namesakes.get(id(variable))
            shape = "none" if source is None else tuple(source.shape)
            lines.append(f"{name} {tuple(variable.shape)} (in the source: {shape})")
    return lines


def _title(part: str) -> str:
    return f"the part {part}" if part else "the whole model"


def _report_part(part: str, chosen: str, mine: _Weights, theirs: _Weights, where: str) -> None:
    logging.info("From %s, %s is taken for %s.", where, _title(chosen), _title(part))
    for name in _other_channels(mine, theirs):
        weight = "/".join(filter(None, (part, name)))
        logging.info(
            "%s is over red, green and blue in the source: "
            "each of its %d channels gets their mean.",
            weight,
            mine[name].shape[-2],
        )


def _report(model: keras.Model, source: Run, not_taken: list[str], count: int) -> None:
    """Says what was taken and what was not.

    Raises:
        UserError: nothing was.
    """
    shown = "; ".join(not_taken[:_SHOWN])
    if not count:
        raise UserError(
            f"--init_from={source.train_dir} holds {source.config.model}, which has none of the "
            f"weights of this model: {shown}. Name a run of the same model."
        )
    logging.info("%d of %d variables are from %s.", count, len(model.weights), source.train_dir)
    if not_taken:
        more = f" and {len(not_taken) - _SHOWN} more" if len(not_taken) > _SHOWN else ""
        logging.warning("Not in %s, and so new: %s%s.", source.train_dir, shown, more)
