"""The spec language: what it accepts, and what it says of what it does not."""

import re
import sys
import types
from collections.abc import Callable
from typing import Any

import keras
import pytest
from paths import ROOT

from frame_models import FrameModel
from frame_models.pixels import PixelModel
from video_models import VideoModel, logistic, moe
from yt8m.base import spec_language
from yt8m.modeling import losses, specs
from yt8m.training import optimizers


def test_a_bare_name_is_the_model_with_its_defaults():
    spec = specs.model("moe")
    assert (spec.name, spec.build) == ("moe", moe.build)
    assert spec.settings["mixtures"] == 2
    assert spec.inputs == ("features",)


@pytest.mark.parametrize("name", ["moe", "video_models.moe"])
def test_short_and_dotted_names(name):
    assert str(specs.model(name)) == str(specs.model("moe"))


def test_nested_specs_and_literals():
    spec = specs.model("average(head=moe(mixtures=3, gating=True, l2=1e-6))")
    assert spec.inputs == ("frames", "mask")
    head = spec.settings["head"]
    assert isinstance(head, spec_language.Spec)
    assert head.settings == specs.model("moe").settings | {
        "mixtures": 3,
        "gating": True,
        "l2": 1e-6,
    }
    assert spec.partial().keywords["head"].keywords["mixtures"] == 3


def test_the_text_of_a_spec_is_complete_and_parses_to_itself():
    text = str(specs.model("average(head=moe(mixtures=3))"))
    assert "l2=1e-08" in text and "gating=False" in text
    assert str(specs.model(text)) == text
    assert "head=logistic(" in str(specs.model("average"))


def test_numbers_that_mean_the_same_are_the_same_run():
    assert str(specs.model("mlp(dropout=0)")) == str(specs.model("mlp(dropout=0.0)"))


def test_short_names_are_unique():
    names = specs.model_names()
    assert {"logistic", "moe", "mlp", "average"} <= set(names)
    modules = [name.rpartition(".")[2] for name in names.values()]
    assert len(set(modules)) == len(modules)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("mo", ["'mo'", "Did you mean 'moe'?", "logistic, "]),
        ("video_models.mo", ["'video_models.mo'", "Did you mean 'video_models.moe'?"]),
        ("frame_models.moe", ["No model is called 'frame_models.moe'"]),
        ("layers", ["No model is called 'layers'"]),
        ("os.system", ["No model is called 'os.system'"]),
        ("moe(mixture=2)", ["'mixture'", "Did you mean 'mixtures'?", "gating, l2"]),
        ("average(head=moe(mix=2))", ["hyperparameter of moe", "'mix'"]),
        ("average(head=mo)", ["'mo'", "Did you mean 'moe'?"]),
        ("average(head=average)", ["head of average must be a model of features"]),
        (
            "mixture(branches=(moe, moe))",
            ["branches of mixture must be a model of frames and mask"],
        ),
        ("mixture(branches=netvlad)", ["branches of mixture must be a tuple of models"]),
        ("mixture(distillation=1e999)", ["distillation of mixture must be float"]),
        ("average(head=3)", ["head of average must be a model", "head=3"]),
        ("moe(gating=logistic)", ["gating of moe must be bool"]),
        ("moe(mixtures='2')", ["mixtures of moe must be int", "mixtures='2'"]),
        ("moe(mixtures=True)", ["mixtures of moe must be int"]),
        ("moe(mixtures=2.0)", ["mixtures of moe must be int"]),
        ("mlp(dropout='a')", ["dropout of mlp must be float"]),
        ("moe(2)", ["key=value"]),
        ("moe(**{})", ["key=value"]),
        ("moe(mixtures=1+1)", ["values are numbers", "1 + 1"]),
        ("moe(mixtures=[x for x in y])", ["values are numbers"]),
        ("moe(mixtures=2, mixtures=3)", ["each argument once"]),
        ("moe(", ["'moe('"]),
        ("", ["''"]),
        ("'moe'", ["begins with a name"]),
        ("moe()()", ["name(key=value, ...)"]),
        (
            "netvlad@gate",
            ["published size of netvlad", "'gate'", "'gated'?", "gated, gated_pooling, glu, plain"],
        ),
        ("average(head=moe@big)", ["published size of moe", "'big'", "there are none"]),
        ("netvlad@gated(cluster=3)", ["hyperparameter of netvlad", "Did you mean 'clusters'?"]),
        ("nextvald@paper", ["No model is called 'nextvald'", "Did you mean 'nextvlad'?"]),
        ("netvlad(clusters=3)@gated", ["name@size"]),
        ("netvlad@gated@glu", ["name@size"]),
        ("netvlad@", ["name@size"]),
        ("average(head=" * 5000 + "moe" + ")" * 5000, ["name(key=value, ...)"]),
        ("mlp(hidden=" + "-" * 5000 + "1)", ["nests too deep"]),
        ("a." * 5000 + "b", ["nests too deep"]),
        ("a@" * 5000 + "b", ["nests too deep"]),
        ("mlp(hidden=" + "1+" * 5000 + "1)", ["nests too deep"]),
        ("mlp(hidden=" + "9" * 5000 + ")", ["name(key=value, ...)"]),
        ("mlp(hidden=0x" + "f" * 6000 + ")", ["at most 2**63", "thousands of digits"]),
        ("mlp(hidden=9223372036854775809)", ["at most 2**63. Received: 9223372036854775809."]),
        ("m" * 5000, ["No model is called 'mmmm"]),
        ("mlp(activation='" + "y" * 5000 + "', gating='" + "y" * 5000 + "')", ["gating of mlp"]),
        ("moe\0", ["moe\\x00"]),
        *(
            (
                f"moe(l2={value})",
                [f"numbers, strings, tuples, True, False, None or specs. Received: {value}"],
            )
            for value in ("...", "b'x'", "1j", "{1: 2}", "{1}", "1 + 2", "lambda: 0")
        ),
        ("mlp(activation='\ud800')", ["text in UTF-8"]),
    ],
)
def test_errors_say_what_is_wrong_and_what_is_right(text, parts):
    with pytest.raises(ValueError) as error:
        specs.model(text)
    for part in parts:
        assert part in str(error.value)
    assert len(str(error.value)) < 800


def test_nothing_is_evaluated(monkeypatch):
    monkeypatch.setattr("builtins.eval", lambda *_: pytest.fail("eval"))
    with pytest.raises(ValueError):
        specs.model("moe(mixtures=__import__('os').getpid())")


def test_losses_and_optimizers_speak_the_same_language():
    loss = losses.from_spec("CrossEntropyLoss(label_smoothing=0.1)")
    assert str(loss) == "CrossEntropy(label_smoothing=0.1, epsilon=1e-05, alpha=0.5)"
    assert losses.get(loss.name, **loss.arguments).label_smoothing == 0.1
    optimizer = optimizers.from_spec("adamw(weight_decay=0.5)")
    assert optimizer.name == "AdamW"
    assert optimizers.get(optimizer.name, 0.1, **optimizer.arguments).weight_decay == 0.5


@pytest.mark.parametrize(
    ("parse", "text", "part"),
    [
        (losses.from_spec, "cross_entropie", "Did you mean"),
        (losses.from_spec, "cross_entropy@big", "No loss is called 'cross_entropy@big'"),
        (losses.from_spec, "cross_entropy(smoothing=1)", "label_smoothing"),
        (losses.from_spec, "cross_entropy(reduction='sum')", "is called 'reduction'"),
        (losses.from_spec, "cross_entropy(label_smoothing='a')", "wrong type"),
        (losses.from_spec, "cross_entropy(label_smoothing=2)", "[0, 1]"),
        (optimizers.from_spec, "adem", "Did you mean"),
        (optimizers.from_spec, "adam(beta1=0.9)", "beta_1"),
        (optimizers.from_spec, "adam(learning_rate=0.1)", "learning_rate"),
        (optimizers.from_spec, "adam(ema_momentum=0.1)", "ema_momentum"),
    ],
)
def test_errors_of_losses_and_optimizers(parse, text, part):
    with pytest.raises(ValueError) as error:
        parse(text)
    assert part in str(error.value)


def test_a_default_that_is_a_model_is_expanded():
    assert specs.model("average").settings["head"].build is logistic.build


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        (VideoModel, VideoModel),
        (FrameModel | None, FrameModel),
        (tuple[PixelModel, ...], PixelModel),
        (Callable, None),
        (Any, None),
        (int | tuple[int, ...], None),
    ],
)
def test_an_annotation_says_whether_a_hyperparameter_is_a_model(hint, kind):
    assert spec_language.model_type(hint) is kind


def test_the_type_of_a_model_says_what_it_takes():
    taken = {kind: spec_language.inputs(kind) for kind in (VideoModel, FrameModel, PixelModel)}
    assert taken == {
        VideoModel: ("features",),
        FrameModel: ("frames", "mask"),
        PixelModel: ("pixels", "mask"),
    }


@pytest.fixture
def toy(monkeypatch):
    """A model whose default is no model, though its annotation allows one, and a function."""

    def build(
        features: keras.KerasTensor,
        num_classes: int,
        *,
        head: VideoModel | None = None,
        number: int = len,
    ) -> keras.KerasTensor:
        """Nobody calls it."""

    known = specs.model_names()
    module = types.ModuleType("toy")
    module.build = build
    monkeypatch.setitem(sys.modules, "toy", module)
    monkeypatch.setattr(specs, "model_names", lambda: known | {"toy": "toy"})


def test_a_model_need_not_be_the_default(toy):
    assert specs.model("toy(number=1)").settings["head"] is None
    assert specs.model("toy(number=1, head=moe)").settings["head"].build is moe.build
    with pytest.raises(ValueError, match="head of toy must be a model of features. Received: aver"):
        specs.model("toy(number=1, head=average)")


def test_a_function_is_no_model_where_the_annotation_names_none(toy):
    with pytest.raises(ValueError, match="number of toy must be int. Received: number=<built-in"):
        specs.model("toy")


def test_a_published_size_is_its_spec():
    gated = "netvlad(clusters=256, gating=True, head=moe(l2=1e-6, gating=True))"
    assert str(specs.model("netvlad@gated")) == str(specs.model(gated))
    assert str(specs.model("frame_models.netvlad@gated")) == str(specs.model(gated))
    assert specs.model("netvlad@gated").name == "netvlad"


def test_a_published_size_stands_inside_a_spec_and_can_be_changed():
    spec = specs.model("cnn(temporal=netvlad@gated(clusters=64, hidden=8))")
    inner = spec.settings["temporal"]
    assert inner.settings["gating"] and inner.settings["head"].settings["gating"]
    assert (inner.settings["clusters"], inner.settings["hidden"]) == (64, 8)
    assert str(specs.model("netvlad@gated()")) == str(specs.model("netvlad@gated"))


def test_every_published_size_is_a_spec_of_its_model():
    names = specs.published_names()
    assert {"netvlad@gated", "two_stream@i3d", "lstm@deep"} <= set(names)
    for name in names:
        model, _, size = name.partition("@")
        text = specs.published(model)[size]
        assert spec_language.parse(text).name == model
        assert str(specs.model(name)) == str(specs.model(text))


def test_every_published_size_is_in_the_recipes():
    pages = "".join(
        (ROOT / "frame_models" / page).read_text() for page in ("README.md", "pixels/README.md")
    )
    assert set(specs.published_names()) == set(re.findall(r"\w+@[a-z]\w+", pages))
