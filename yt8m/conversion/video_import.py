"""Makes a run of raw video of published weights."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import keras
from absl import logging

from yt8m import runs
from yt8m.base.errors import UserError
from yt8m.base.spec_language import Spec
from yt8m.conversion import caffe_layout, published
from yt8m.conversion.weight_files import reading
from yt8m.data import class_names
from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.modeling import keras_model, losses

LOSS = "softmax(scores='log_probabilities')"


@dataclasses.dataclass(frozen=True)
class Published:
    """Published weights, and what they are for.

    Attributes:
        model: the spec that they fill.
        paths: the files, as many as the model has networks, or one with all.
        num_classes: how many classes they tell apart; None takes what they say.
        clips: how clips are cut; None as the network was trained.
        flow: how flow is shown, to a model that takes it; None as I3D was trained.
        mean: what is taken from the pixels: a file, three numbers, or `none`; empty where nothing
            was ever taken.
        vocabulary_file: the names of the classes; empty looks beside the weights.
    """

    model: Spec
    paths: Sequence[str]
    num_classes: int | None = None
    clips: Clips | None = None
    flow: Flow | None = None
    mean: str = ""
    vocabulary_file: str = ""


def load(given: Published) -> tuple[keras.Model, ClipSchema, int]:
    """Makes the model, and fills it with the weights.

    Returns:
        The model as `keras_model.build` makes it, what a clip is, and how many variables there
        were.

    Raises:
        UserError: a file cannot be read, is of another network, or does not fill the model.
    """
    published.check_mean(given.model, given.mean)
    takes_mean = given.mean not in ("", caffe_layout.NO_MEAN)
    mean = caffe_layout.read_mean(given.mean) if takes_mean else None
    contents = {path: reading.read(path) for path in given.paths}
    found = published.find(given.model, contents)
    told = published.num_classes(given.model, found)
    count = given.num_classes or told
    if count is None:
        raise UserError("The weights have no classifier, so they make no run. Name others.")
    schema = _schema(given, _names(given, count))
    model = keras_model.build(given.model, schema, count)
    try:
        num_variables = published.fill(model, given.model, found, mean)
    except ValueError as error:
        raise UserError(
            f"{' and '.join(given.paths)} do not fill {given.model} with {count} classes: {error}. "
            "Correct --model, --num_classes or --clips."
        ) from None
    return model, schema, num_variables


def config(given: Published, schema: ClipSchema, flags: dict[str, Any]) -> runs.RunConfig:
    """What the run is."""
    return runs.RunConfig(
        model=str(given.model),
        schema=schema,
        num_classes=len(schema.classes),
        preprocessing={},
        loss=str(losses.from_spec(LOSS)),
        optimizer={},
        training={"imported_from": ",".join(os.path.abspath(path) for path in given.paths)},
        flags=flags,
    )


def _schema(given: Published, names: Sequence[str]) -> ClipSchema:
    inputs = tuple(name for name in given.model.inputs if name != "mask")
    flow = (given.flow or published.FLOW_OF_I3D) if "flow" in inputs else None
    clips = given.clips or published.clips_of(given.model)
    return ClipSchema(inputs, clips, flow, tuple(names))


def _names(given: Published, count: int) -> list[str]:
    """The names of the classes, in the order of the weights."""
    if given.vocabulary_file:
        names = class_names.read(given.vocabulary_file, count)
        if len(set(names)) < count:
            twice = next(name for name in names if names.count(name) > 1)
            raise UserError(
                f"{given.vocabulary_file} names two classes {twice!r}. Labels of videos are told "
                "apart by their names: change one."
            )
        return names
    for path in published.names_beside(given.paths[0]):
        names = class_names.read(path)
        if len(names) == len(set(names)) == count:
            return names
    logging.warning(
        "The classes have no names: they are called `class 0` and so on. Import once more with "
        "--vocabulary_file=FILE, a name a line in the order of the classes, such as Kinetics' "
        "label_map.txt."
    )
    return [f"class {number}" for number in range(count)]
