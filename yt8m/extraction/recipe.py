"""How the features of shards were made, kept with a run: other videos are made features likewise.

Needs no TensorFlow.
"""

from __future__ import annotations

import os
import shutil

from yt8m import runs
from yt8m.base import files
from yt8m.extraction import whitening

FILES = (runs.DESCRIPTION, *whitening.FILES)


def copy(features_dir: str, train_dir: str) -> None:
    """Copies the recipe of features into a run, where it replaces an earlier one.

    Args:
        features_dir: the folder of the shards, with a `features.json` and, where vectors were
            whitened, its matrices.
        train_dir: the run.

    Raises:
        UserError: the run cannot be written.
    """
    with files.atomic_folder(os.path.join(train_dir, runs.FEATURES)) as folder:
        for name in FILES:
            path = os.path.join(features_dir, name)
            if os.path.exists(path):
                with files.writing(path):
                    shutil.copyfile(path, os.path.join(folder, name))
