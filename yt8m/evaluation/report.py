"""Metrics for people and for programs: a table, a JSON file and a CSV of the classes."""

from __future__ import annotations

import csv
import datetime
import os
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from yt8m.base import files


def print_table(title: str, results: dict) -> None:
    """Prints metrics, one a line."""
    print(title)
    table = Table()
    table.add_column("metric")
    table.add_column("value", justify="right")
    for name, value in results.items():
        if value is not None:
            table.add_row(name, f"{value:.5f}" if isinstance(value, float) else f"{value}")
    Console().print(table)


def write(
    folder: str,
    name: str,
    results: dict,
    classes: dict[str, np.ndarray],
    names: Sequence[str] | None = None,
) -> str:
    """Writes `NAME.json`, the results, and `NAME-classes.csv`, see `write_classes`.

    Args:
        folder: made if it is not there.
        name: of the files.
        results: metrics and whatever else belongs to them.
        classes: column -> (num_classes,), see `Evaluation.per_class`.
        names: of the classes, where they are known.

    Returns:
        The path of the JSON file.

    Raises:
        UserError: the folder cannot be written.
    """
    write_classes(os.path.join(folder, f"{name}-classes.csv"), classes, names)
    path = os.path.join(folder, f"{name}.json")
    files.write_json(path, results)
    return path


def write_classes(
    path: str, classes: dict[str, np.ndarray], names: Sequence[str] | None = None
) -> None:
    """Writes a CSV with a line a class: its number, its name if there are names, its metrics.

    Args:
        path: the file.
        classes: column -> (num_classes,), see `Evaluation.per_class`.
        names: of the classes, where they are known.

    Raises:
        UserError: the file cannot be written.
    """
    columns = {} if names is None else {"name": names}
    with files.atomic_file(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class", *columns, *classes])
        for number, values in enumerate(zip(*classes.values(), strict=True)):
            name = [column[number] for column in columns.values()]
            writer.writerow([number, *name, *(_cell(value) for value in values)])


def _cell(value: np.generic) -> str:
    """An integer, a number of 6 digits, or nothing where there is no value."""
    number = value.item()
    if isinstance(number, int):
        return str(number)
    return "" if np.isnan(number) else f"{number:.6g}"


def timestamp() -> str:
    """The time, fit for a file name that sorts by it."""
    return datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")
