"""The page of raw video: its specs build, with the parameters it says; its settings are valid."""

import re

import keras
import numpy as np
import pytest
from paths import ROOT

from yt8m.data.video.clip_schema import ClipSchema
from yt8m.data.video.clip_specs import Clips, Flow
from yt8m.data.video.sources.pattern import parse
from yt8m.modeling import keras_model, specs

PAGE = (ROOT / "frame_models" / "pixels" / "README.md").read_text()
SIZED = re.findall(
    r"^\| .* \| `(\w+@\w+)` \| `(.+?)` \| `(clips.+?)`(?:, `(flow.*?)`)? \| ([\d,]+) \|",
    PAGE,
    re.MULTILINE,
)
# I3D is counted with the classes of Kinetics, the networks of Karpathy with those of Sports-1M.
CLASSES = {"i3d": 400, "fusion": 487, "single_frame": 487, "multiresolution": 487}


def num_classes(name):
    return next((number for part, number in CLASSES.items() if part in name), 101)


def parameters(spec, clips, flow, classes):
    """How many the model has. Nothing of it is in memory: a variable here has no value.

    It must not get one later either, when Keras next gives values to all that have none.
    """
    model = specs.model(spec)
    inputs = tuple(name for name in model.inputs if name != "mask")
    shown = Flow.from_spec(flow) if "flow" in inputs else None
    schema = ClipSchema(inputs, Clips.from_spec(clips), shown, tuple(map(str, range(classes))))
    with keras.StatelessScope(initialize_variables=False):
        built = keras_model.build(model, schema, classes)
        learnt = [w for w in built.weights if "seed_generator" not in w.path]
        count = sum(int(np.prod(w.shape)) for w in learnt)
    keras.utils.clear_session(free_memory=False)
    return count


def test_the_page_has_a_row_for_each_system():
    assert len(SIZED) == 21


@pytest.mark.parametrize(("name", "spec"), [row[:2] for row in SIZED])
def test_a_name_stands_for_the_spec_beside_it(name, spec):
    assert str(specs.model(name)) == str(specs.model(spec))


@pytest.mark.parametrize(("name", "spec", "clips", "flow", "expected"), SIZED)
def test_a_system_has_its_parameters(name, spec, clips, flow, expected):
    assert f"{parameters(name, clips, flow, num_classes(name)):,}" == expected


def test_every_pattern_and_setting_of_the_page_is_one():
    patterns = re.findall(r"data_pattern=\"?([^\s\"\\]+)", PAGE)
    assert len(patterns) == 5
    assert all(parse(pattern) for pattern in patterns)
    for settings, name in ((Clips, "clips"), (Flow, "flow")):
        texts = re.findall(rf"(?:`|\"){name}\(.+?\)(?=`|\")", PAGE)
        assert texts
        for text in texts:
            settings.from_spec(text.strip('`"'))
