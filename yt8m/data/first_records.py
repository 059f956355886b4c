"""What is looked at before the work: whether the first records fit, and what their labels say."""

from __future__ import annotations

import itertools

from absl import logging

from yt8m.base.errors import UserError
from yt8m.data import diagnose
from yt8m.data.reader import Reader

_CHECKED = 64  # Records that must fit.
_LOOKED_AT = 1024  # One of so many must have a label.
_ENOUGH = 8  # Records to tell a vocabulary by their labels,
_FAR = 20  # which are below such a part of it where it is another one.


def are_labelled(reader: Reader) -> bool | None:
    """Whether one of the first records has a label; None where there is no record.

    Raises:
        UserError: one of the very first does not fit the schema or the vocabulary.
    """
    labelled = None
    for number, (where, record) in enumerate(itertools.islice(reader.undamaged(), _LOOKED_AT)):
        if number < _CHECKED:
            problem = diagnose.problem(record, reader)
            if problem:
                raise UserError(f"{where} {problem}")
        elif labelled:
            break
        labelled = labelled or reader.is_labelled(record)
    return labelled


def warn_of_too_many_classes(reader: Reader) -> None:
    """Warns where the labels of the first records are far below the size of the vocabulary."""
    looked_at = list(itertools.islice(reader.undamaged(), _CHECKED))
    labels = [label for _, record in looked_at for label in diagnose.labels(record, reader.schema)]
    if len(looked_at) < _ENOUGH or not labels or max(labels) >= reader.num_classes / _FAR:
        return
    logging.warning(
        "The first %d records have no label above %d, and the model gets %d outputs, as their "
        "keys are those of a data set with so many. If they are your own, pass their number, "
        "such as --num_classes=%d.",
        *(len(looked_at), max(labels), reader.num_classes, max(labels) + 1),
    )
