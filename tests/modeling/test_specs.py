"""The spec language: what it accepts, and what it says of what it does not."""

import pytest

from video_models import logistic, moe
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
    ],
)
def test_errors_say_what_is_wrong_and_what_is_right(text, parts):
    with pytest.raises(ValueError) as error:
        specs.model(text)
    for part in parts:
        assert part in str(error.value)


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
