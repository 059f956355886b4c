"""Published weights of networks of raw video: which files a model takes, and how it is filled.

A layout is a module that knows the names of one network's weights: `streams` finds the network in a
file, `num_classes` how many classes it tells apart, `problem` what the spec must say for it, and
`places` which variable fills which weight.
"""

from __future__ import annotations

import dataclasses
import os
from types import ModuleType

import keras
import numpy as np

from frame_models.pixels.layers.sub_network import SubNetwork
from yt8m.base import files
from yt8m.base.errors import UserError
from yt8m.base.spec_language import Spec
from yt8m.conversion import (
    c3d_weights,
    cnn_m_weights,
    i3d_weights,
    slim_weights,
    weight_places,
)
from yt8m.conversion.caffe_layout import MEAN, NO_MEAN
from yt8m.conversion.networks import FLOW, networks
from yt8m.conversion.weight_places import Place
from yt8m.data.video.clip_specs import Clips, Flow

BACKBONE = "inception_v1"


@dataclasses.dataclass(frozen=True)
class Layout:
    """A network that was published.

    Attributes:
        module: knows its names.
        files: what its files are called, for people.
        clips: what it was trained to see.
        averages: whether it was trained on pixels less a mean.
    """

    module: ModuleType
    files: str
    clips: Clips
    averages: bool = False


_I3D = Layout(
    i3d_weights,
    "DeepMind's I3D, such as rgb_imagenet/model.ckpt",
    Clips(frames=64, resize=256, crop=224, frames_per_second=25.0),
)
_C3D = Layout(
    c3d_weights, "C3D of Caffe or PyTorch", Clips(resize=(128, 171), crop=112), averages=True
)
_CNN_M = Layout(
    cnn_m_weights,
    "VGG_CNN_M_2048.caffemodel",
    Clips(frames=1, sampling="uniform", resize=256, crop=224),
    averages=True,
)
_SLIM = Layout(
    slim_weights,
    "TF-Slim's inception_v1.ckpt",
    Clips(frames=1, sampling="uniform", resize=256, crop=224),
)
# Flow as I3D was trained on it; the other networks that are known look at pixels.
FLOW_OF_I3D = Flow(method="tvl1", bound=20.0)


@dataclasses.dataclass(frozen=True)
class Found:
    """The weights of a network, in a file.

    Attributes:
        path: the file.
        form: what `problem` of the layout asks for: a scope, or a program.
        variables: name -> value.
    """

    path: str
    form: str
    variables: dict[str, np.ndarray]


def layouts(spec: Spec) -> list[Layout]:
    """The layouts of the networks of a model, in the order of `networks`.

    Raises:
        UserError: one has no published weights that are known.
    """
    specs = [spec]
    if spec.name == "two_stream":
        specs = [spec.settings["spatial"], spec.settings["temporal"]]
    elif spec.name == "flow_stream":
        specs = [spec.settings["model"]]
    return [_layout(one) for one in specs]


def _layout(spec: Spec) -> Layout:
    known = {"i3d": _I3D, "c3d": _C3D, "cnn_m": _CNN_M}
    if spec.name in known:
        return known[spec.name]
    if spec.name == "single_frame" and spec.settings["backbone"] == BACKBONE:
        return _SLIM
    raise UserError(
        f"No published weights are known for {spec}. There are some for i3d, c3d, cnn_m and "
        "single_frame(backbone='inception_v1', pooling='avg', hidden=()), for flow_stream of one "
        "of them and for two_stream of two."
    )


def find(spec: Spec, contents: dict[str, dict[str, np.ndarray]]) -> list[Found]:
    """The weights for each network of a model.

    Those whose names tell what they look at, as I3D's, are for the network that looks at it; others
    come in the order of the files.

    Args:
        spec: of the model.
        contents: file -> name -> value.

    Raises:
        UserError: a file holds no network of the model, or there are too few or too many.
    """
    known = layouts(spec)
    found: list[tuple[Layout, Found]] = []
    for path, variables in contents.items():
        matches = [
            (layout, Found(path, form, own))
            for layout in dict.fromkeys(known)
            for form, own in layout.module.streams(variables).items()
        ]
        if not matches:
            wanted = " or ".join(dict.fromkeys(layout.files for layout in known))
            raise UserError(
                f"{path} holds no network of {spec}: the names of its variables are not those of "
                f"{wanted}. The first is {next(iter(variables))[:80]!r}."
            )
        found += matches
    if len(found) != len(known):
        names = ", ".join(f"{one.path} ({one.form or 'one network'})" for _, one in found)
        raise UserError(
            f"{spec} has {len(known)} networks, and the files hold {len(found)}: {names}. Name "
            "another --model, or as many files as it has networks in --checkpoint, with commas."
        )
    looking = [FLOW if spec.name == "flow_stream" else "pixels", FLOW][: len(known)]
    return [_take(found, layout, seen) for layout, seen in zip(known, looking, strict=True)]


def _take(found: list[tuple[Layout, Found]], layout: Layout, seen: str) -> Found:
    """Takes the weights for a network out of those that are left."""

    def fitness(number: int) -> int:
        own, one = found[number]
        told = i3d_weights.looks_at(one.form)
        return 2 * (own == layout) + (told == seen) - (told not in (None, seen))

    return found.pop(max(range(len(found)), key=fitness))[1]


def num_classes(spec: Spec, found: list[Found]) -> int | None:
    """How many classes the weights tell apart; None where they have no classifier.

    Raises:
        UserError: the networks have different ones.
    """
    counts = {
        layout.module.num_classes(one.variables)
        for layout, one in zip(layouts(spec), found, strict=True)
    }
    if len(counts) > 1:
        raise UserError(f"The networks of {spec} have different classes. Received: {counts}.")
    return counts.pop()


def clips_of(spec: Spec) -> Clips:
    """What the pixels of a model were; of two networks, what the first one was trained to see."""
    return layouts(spec)[0].clips


def check_mean(spec: Spec, mean: str) -> None:
    """Fails where it is not told what to take from pixels, or where nothing can be taken.

    Raises:
        UserError: as above.
    """
    parts = [spec.settings[name] for name in ("spatial", "model") if name in spec.settings] or [
        spec
    ]
    (network,) = parts
    takes = network.settings.get("colors", "unit") != "unit"
    if _layout(network).averages and not mean:
        raise UserError(
            f"Weights of {network.name} are of pixels less the mean of their training. Give it as "
            f"--mean, a file or three numbers, with --model=\"{network.name}(colors='bgr', ...)\"; "
            f"or say that they are of pixels from -1 to 1: --mean={NO_MEAN}."
        )
    remedy = ""
    if mean and not _layout(network).averages:
        remedy = "Leave it out"
    elif mean and (mean == NO_MEAN) == takes:
        remedy = "Name a file or three numbers" if takes else "Say colors='bgr' in --model"
    if remedy:
        raise UserError(f"--mean={mean[:200]} does not fit {network}. {remedy}.")


def fill(model: keras.Model, spec: Spec, found: list[Found], mean: np.ndarray | None = None) -> int:
    """Sets every weight of a model.

    Args:
        model: as `keras_model.build` makes it of the spec.
        spec: of the model.
        found: the weights for each of its networks.
        mean: what the network of the pixels takes away, see `caffe_layout.read_mean`.

    Returns:
        How many variables there were.

    Raises:
        ValueError: not every variable has a place and every weight a variable, or the spec does not
            fit the weights. Nothing is set.
    """
    places: list[Place] = []
    variables: dict[str, np.ndarray] = {}
    problems = []
    parts = networks(spec, model)
    for number, (layout, network, one) in enumerate(zip(layouts(spec), parts, found, strict=True)):
        prefix = f"{network.looks_at}: " if len(parts) > 1 else ""
        problem = layout.module.problem(network, one.form)
        problems += [problem] if problem else []
        own = one.variables | ({MEAN: mean} if mean is not None and not number else {})
        variables |= {prefix + name: value for name, value in own.items()}
        places += [
            dataclasses.replace(place, names=tuple(prefix + name for name in place.names))
            for place in layout.module.places(network)
        ]
    weight_places.fill(model, places, variables, problems)
    return len(variables)


def check_backbone_file(spec: Spec, path: str) -> None:
    """Fails where the image network of a model cannot be written to a file.

    Raises:
        UserError: the model has none, or the file cannot be written.
    """
    if layouts(spec) != [_SLIM]:
        raise UserError("--backbone_file is for single_frame(backbone='inception_v1', ...) alone.")
    if not path.endswith(".weights.h5"):
        raise UserError(f"--backbone_file must end in .weights.h5. Received: {path}.")
    files.check_output_file(path)


def save_backbone(model: keras.Model, path: str) -> None:
    """Writes the image network inside a model to a file that `weights=` of a spec takes."""
    (network,) = [x.network for x in model.layers if isinstance(x, SubNetwork)]
    with files.atomic_path(path) as temporary:
        network.save_weights(temporary)


def names_beside(path: str) -> list[str]:
    """Files of class names that may stand beside published weights, the nearest first."""
    folder = os.path.dirname(os.path.abspath(path))
    folders = [folder, os.path.dirname(folder), os.path.dirname(os.path.dirname(folder))]
    paths = [
        os.path.join(f, name) for f in folders for name in ("label_map.txt", "label_map_600.txt")
    ]
    return [path for path in dict.fromkeys(paths) if os.path.isfile(path)]
