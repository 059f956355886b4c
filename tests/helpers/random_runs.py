"""Runs of random weights, which no training has made."""

from __future__ import annotations

from pathlib import Path

import keras

from yt8m import runs
from yt8m.modeling import keras_model, specs


def make_run(folder: Path, model: str, schema, num_classes: int, **preprocessing) -> Path:
    """Writes a run of random weights to a folder; returns the folder."""
    keras.utils.clear_session()  # Layers are named from the first on.
    keras.utils.set_random_seed(1)
    spec = specs.model(model)
    config = runs.RunConfig(
        model=str(spec),
        schema=schema,
        num_classes=num_classes,
        preprocessing=preprocessing,
        loss="cross_entropy",
        optimizer={},
        training={},
    )
    runs.start(str(folder), config)
    built = keras_model.build(spec, schema, num_classes)
    runs.save_model(str(folder), keras_model.classifier(built))
    return folder
