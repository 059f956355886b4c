"""Weights of one run for the model of another: fine-tuning. Needs no TensorFlow."""

from __future__ import annotations

import keras
from absl import logging

from yt8m.errors import UserError
from yt8m.runs import Run

_SHOWN = 5


def initialize(model: keras.Model, source: Run, normalize: str) -> int:
    """Gives the weights of a run to a model that has some of the same layers.

    Weights go by their path, such as `net_vlad/assignment/kernel`. One that the source lacks, or
    that has another shape there, such as a classifier over other classes, keeps its value, and is
    named in a warning.

    Args:
        model: the model to train.
        source: the run to take weights from.
        normalize: how the features of `model` are scaled; other scaling than the source's is
            warned of.

    Returns:
        The number of variables that were taken.

    Raises:
        UserError: the two have no weight in common.
    """
    theirs = {variable.path: variable for variable in source.model.weights}
    rest = []
    for variable in model.weights:
        given = theirs.get(variable.path)
        if given is not None and tuple(given.shape) == tuple(variable.shape):
            variable.assign(keras.ops.convert_to_numpy(given))
        else:
            shape = "none" if given is None else tuple(given.shape)
            rest.append(f"{variable.path} {tuple(variable.shape)} (there: {shape})")
    taken = len(model.weights) - len(rest)
    if not taken:
        raise UserError(
            f"--init_from={source.train_dir} holds {source.config.model}, which has no weight of "
            f"this model: of {'; '.join(rest[:_SHOWN])}. Name a run of the same model."
        )
    logging.info("%d of %d variables are from %s.", taken, len(model.weights), source.train_dir)
    if rest:
        more = f" and {len(rest) - _SHOWN} more" if len(rest) > _SHOWN else ""
        shown = "; ".join(rest[:_SHOWN])
        logging.warning("Not in %s, and so new: %s%s.", source.train_dir, shown, more)
    trained_with = source.config.preprocessing["normalize"]
    if trained_with != normalize:
        logging.warning(
            "%s was trained with --normalize=%s, not %s.", source.train_dir, trained_with, normalize
        )
    return taken
