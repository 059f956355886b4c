"""Metrics for people and for programs: a table, a JSON file and a CSV of the classes."""

from __future__ import annotations

import csv
import datetime
import os

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


def write(folder: str, name: str, results: dict, classes: dict[str, np.ndarray]) -> str:
    """Writes `NAME.json`, the results, and `NAME-classes.csv`, a line a class.

    Args:
        folder: made if it is not there.
        name: of the files.
        results: metrics and whatever else belongs to them.
        classes: column -> (num_classes,), see `Evaluation.per_class`.

    Returns:
        The path of the JSON file.

    Raises:
        UserError: the folder cannot be written.
    """
    with files.atomic_file(os.path.join(folder, f"{name}-classes.csv")) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class", *classes])
        for number, values in enumerate(zip(*classes.values(), strict=True)):
            writer.writerow([number, *(_cell(value) for value in values)])
    path = os.path.join(folder, f"{name}.json")
    files.write_json(path, results)
    return path


def _cell(value: np.generic) -> str:
    """An integer, a number of 6 digits, or nothing where there is no value."""
    number = value.item()
    if isinstance(number, int):
        return str(number)
    return "" if np.isnan(number) else f"{number:.6g}"


def timestamp() -> str:
    """The time, fit for a file name that sorts by it."""
    return datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")
