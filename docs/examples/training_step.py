"""The training of a model, top to bottom: records, forward pass, loss, gradients, new weights.

    python docs/examples/training_step.py

`yt8m train` computes the same step with Keras' `fit`, and evaluates, saves and resumes
besides. This one runs on TensorFlow and, with KERAS_BACKEND=jax, on JAX.
"""

import tempfile

import keras

from yt8m import metrics
from yt8m.data import detect, labels, synthetic
from yt8m.data.reader import Reader
from yt8m.modeling import keras_model, losses, specs
from yt8m.training import optimizers

NUM_CLASSES = 50


def step(model, label_loss, optimizer, gap, batch) -> float:
    """Moves the weights of a model down the gradient of the loss of a batch; returns the loss."""
    features = {name: batch[name] for name in model.input}
    truth = labels.multi_hot(batch["labels"], NUM_CLASSES)

    def forward(trainable, others):
        outputs, others, penalties = model.stateless_call(
            trainable, others, features, training=True, return_losses=True
        )
        probabilities = outputs["probabilities"]
        return sum(penalties, label_loss(truth, probabilities)), (probabilities, others)

    (loss, (probabilities, others)), gradients = value_and_gradients(forward, model)
    optimizer.apply(gradients, model.trainable_variables)
    for variable, value in zip(model.non_trainable_variables, others, strict=True):
        variable.assign(value)
    gap.update_state(truth, probabilities)
    return float(loss)


def value_and_gradients(forward, model):
    """What `forward` returns for the variables of a model, and the gradients of its loss."""
    trainable, others = (
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )
    if keras.backend.backend() == "jax":
        import jax

        return jax.value_and_grad(forward, has_aux=True)(trainable, others)
    import tensorflow as tf

    with tf.GradientTape() as tape:
        results = forward(trainable, others)
    return results, tape.gradient(results[0], trainable)


def train(folder: str, num_epochs: int) -> None:
    """Trains a small model on synthetic videos, and prints loss and GAP of each epoch."""
    paths = synthetic.write_shards(folder, kind="frame", num_videos=256)
    schema = detect.detect(paths)
    reader = Reader(paths, schema, NUM_CLASSES, batch_size=32)
    model = keras_model.build(specs.model("netvlad(clusters=8, hidden=64)"), schema, NUM_CLASSES)
    label_loss = losses.get("cross_entropy")
    optimizer = optimizers.get("adam", 0.01, clip_gradient_norm=1.0)
    optimizer.build(model.trainable_variables)
    gap = metrics.StreamingGAP()
    for epoch in range(num_epochs):
        gap.reset_state()
        for batch in reader.shuffled(seed=0, epoch=epoch).as_numpy_iterator():
            loss = step(model, label_loss, optimizer, gap, batch)
        print(f"Epoch {epoch + 1}: loss {loss:.3f}, GAP {float(gap.result()):.3f}")


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        train(folder, num_epochs=5)
