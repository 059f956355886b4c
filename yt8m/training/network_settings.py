"""How a run is trained, as values: the network and the optimizer."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from yt8m import metrics
from yt8m.base.spec_language import Call, Spec
from yt8m.modeling import keras_model, losses, memory
from yt8m.runs import Run
from yt8m.training import fine_tuning, optimizers, schedules, transfer
from yt8m.training.trainer import Trainer
from yt8m.training.training_data import TrainingData


@dataclasses.dataclass(frozen=True)
class OptimizerSettings:
    """The optimizer and its schedule.

    Attributes:
        optimizer: its spec, see `optimizers.from_spec`.
        base_learning_rate: learning rate at the start.
        learning_rate_decay: factor every `learning_rate_decay_examples` examples.
        learning_rate_decay_examples: examples between decays.
        clip_gradient_norm: norm that each variable's gradient is cut to; 0 does not cut.
        ema_momentum: momentum of a moving average of the weights; 0 keeps none.
    """

    optimizer: Call
    base_learning_rate: float
    learning_rate_decay: float
    learning_rate_decay_examples: int
    clip_gradient_norm: float
    ema_momentum: float

    def make(self, batch_size: int, rates: dict[str, float]) -> keras.optimizers.Optimizer:
        """Makes the optimizer, not yet built.

        Args:
            batch_size: examples a step, which the schedule counts.
            rates: multipliers of the learning rate, see `optimizers.get`.

        Raises:
            ValueError: a value is out of its range.
        """
        schedule = schedules.StaircaseDecay(
            self.base_learning_rate,
            self.learning_rate_decay,
            self.learning_rate_decay_examples,
            batch_size,
        )
        return optimizers.get(
            self.optimizer.name,
            schedule,
            clip_gradient_norm=self.clip_gradient_norm,
            ema_momentum=self.ema_momentum,
            rates=rates,
            **self.optimizer.arguments,
        )

    def recorded(self) -> dict[str, Any]:
        """What the run records of it."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {"name": str(values.pop("optimizer"))} | values


@dataclasses.dataclass(frozen=True)
class NetworkSettings:
    """The network, and what it learns.

    Attributes:
        model: its spec, see `specs.model`.
        loss: the spec of the loss, see `losses.from_spec`.
        normalize: how features are scaled, see `keras_model.build`; of no meaning for clips.
        init_from: folder of the run whose weights to start from; empty to start at random.
        top_layers: layers next to the output that learn at the full rate; 0 for all.
        lower_rate: share of the rate that the layers below learn at.
        distillation: the teacher's share in the labels, where there is a teacher.
        jit_compile: compile with XLA.
    """

    model: Spec
    loss: Call
    normalize: str = "l2"
    init_from: str = ""
    top_layers: int = 0
    lower_rate: float = 0.0
    distillation: float = 0.0
    jit_compile: bool = False

    def make_trainer(
        self, data: TrainingData, optimizer: OptimizerSettings, source: Run | None
    ) -> Trainer:
        """Builds and compiles the model that trains, and the variables of its optimizer.

        Args:
            data: what it learns from.
            optimizer: how.
            source: the run of `init_from`; None where training goes on from a checkpoint.

        Raises:
            UserError: the model does not take the data, the source has no weight in common, or
                the training would not fit into memory.
            ValueError: a setting is out of its range.
        """
        model = keras_model.build(self.model, data.schema, data.num_classes, self.normalize)
        if source is not None:
            transfer.initialize(model, source, self.normalize, data.schema)
        rates = fine_tuning.apply(model, self.top_layers, self.lower_rate)
        trainer = Trainer(
            model,
            data.num_classes,
            losses.get(self.loss.name, **self.loss.arguments),
            metrics.StreamingGAP(name="gap"),
            self.distillation,
            data.task_classes,
        )
        jit_compile = self.jit_compile or keras.config.backend() == "jax"
        made = optimizer.make(data.reader.batch_size, rates)
        trainer.compile(optimizer=made, jit_compile=jit_compile)
        trainer(model.input)
        with memory.training_checked(trainer):
            trainer.optimizer.build(trainer.trainable_variables)
        return trainer

    def recorded(self, has_teacher: bool) -> dict[str, Any]:
        """What the run records of it besides model and loss: what has a meaning for it."""
        names = ["init_from", "top_layers"] + ["lower_rate"] * bool(self.top_layers)
        names += ["distillation"] * has_teacher
        return {name: getattr(self, name) for name in names}
