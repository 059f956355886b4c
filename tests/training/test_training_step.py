"""The example of a training step does what the trainer does."""

import importlib.util
import re

import keras
import numpy as np
import pytest
from paths import ROOT

from yt8m import metrics
from yt8m.data import detect, synthetic
from yt8m.data.reader import Reader
from yt8m.modeling import keras_model, losses, specs
from yt8m.training import optimizers
from yt8m.training.trainer import Trainer

PATH = ROOT / "docs" / "examples" / "training_step.py"
# A model with batch norms, dropout, and a penalty on its weights.
SPEC = "netvlad(clusters=4, hidden=8, head=mlp(hidden=8, dropout=0.3, head=moe(mixtures=2)))"


@pytest.fixture(scope="module")
def example():
    """The file as a module: it stands in no package."""
    spec = importlib.util.spec_from_file_location("training_step", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parts(schema, num_classes):
    """A model, a loss, an optimizer and a metric, always with the same random numbers."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(3)
    model = keras_model.build(specs.model(SPEC), schema, num_classes)
    optimizer = optimizers.get("adam", 0.01, clip_gradient_norm=1.0)
    optimizer.build(model.trainable_variables)
    return model, losses.get("cross_entropy"), optimizer, metrics.StreamingGAP(name="gap")


def test_its_step_is_that_of_the_trainer(example, tmp_path):
    world = synthetic.World(num_classes=example.NUM_CLASSES, feature_sizes=(16, 4))
    paths = synthetic.write_shards(str(tmp_path), num_videos=24, num_shards=1, world=world)
    schema = detect.detect(paths)
    batches = list(Reader(paths, schema, 50, batch_size=8).sequential().as_numpy_iterator())

    model, loss, optimizer, gap = parts(schema, example.NUM_CLASSES)
    assert model.losses and len(model.non_trainable_variables) > 2
    mine = []
    for batch in batches:
        gap.reset_state()
        mine.append((example.step(model, loss, optimizer, gap, batch), float(gap.result())))

    other, loss, optimizer, gap = parts(schema, example.NUM_CLASSES)
    trainer = Trainer(other, example.NUM_CLASSES, loss, gap)
    trainer.compile(optimizer, run_eagerly=True)
    theirs = []
    for batch in batches:
        features = {name: batch[name] for name in other.input}
        trainer.reset_metrics()
        logs = trainer.train_on_batch(features, batch["labels"], return_dict=True)
        theirs.append((float(logs["loss"]), float(logs["gap"])))

    np.testing.assert_array_equal(mine, theirs)
    for received, expected in zip(model.variables, other.variables, strict=True):
        np.testing.assert_array_equal(received, expected, err_msg=expected.path)


def test_the_example_of_a_step_learns(example, tmp_path, capsys):
    keras.utils.set_random_seed(0)
    example.train(str(tmp_path), num_epochs=2)
    first, second = re.findall(r"GAP ([\d.]+)", capsys.readouterr().out)
    assert float(second) > float(first) + 0.1
