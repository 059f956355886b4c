"""The command `yt8m NAME [flags]`: runs a job, or lists them all.

    yt8m train --train_dir=runs/moe ...
    yt8m train --help
    yt8m help

It imports the job asked for and no other, and nothing at all to list them.
"""

from __future__ import annotations

import ast
import pkgutil
import re
import runpy
import signal
import sys
from pathlib import Path

from yt8m import __version__
from yt8m.base import spec_language

_FOLDER = Path(__file__).parent
_NO_JOBS = ("runs",)
_HELP = ("help", "--help", "-h", "--helpshort")


def main() -> None:
    """Runs the job that the command line names, as `python -m yt8m.NAME` does.

    The process ends with status 1 where there is no such job.
    """
    # Until the job handles it: Python raises its exception in the middle of an import, or where it
    # is dropped.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    name, *rest = sys.argv[1:] or _HELP[:1]
    if name == "--version":
        print(f"yt8m {__version__}")
        return
    if name in _HELP and rest:
        name, rest = rest[0], ["--help"]
    if name in _HELP:
        print(overview())
        return
    known = names()
    if name not in known:
        print(f"ERROR: {spec_language.unknown('job', name, known)}", file=sys.stderr)
        sys.exit(1)
    sys.argv[1:] = rest
    # It is the main module of the process, and `sys.argv[0]` its file: what a job does with
    # either, such as recording its flags, does not depend on how it was started.
    runpy.run_module(f"yt8m.{name}", run_name="__main__", alter_sys=True)


def names() -> list[str]:
    """The names of the jobs, sorted: of the modules that stand in the package itself."""
    return sorted(
        module.name
        for module in pkgutil.iter_modules([str(_FOLDER)])
        if not (module.ispkg or module.name.startswith("_") or module.name in _NO_JOBS)
    )


def summary(name: str) -> str:
    """The first sentence of a job's docstring, read without importing the job."""
    source = (_FOLDER / f"{name}.py").read_text(encoding="utf-8")
    text = ast.get_docstring(ast.parse(source)) or ""
    sentence = re.match(r".*?\.(?=\s|$)", text, re.DOTALL)
    return " ".join((sentence[0] if sentence else text).split())


def overview() -> str:
    """How the command is used, and a line for each job."""
    known = names()
    width = max(map(len, known))
    return "\n".join(
        [
            "usage: yt8m NAME [flags]",
            "",
            "NAME is a job of training, evaluating or shipping video classifiers:",
            "",
            *(f"  {name:{width}}  {summary(name)}" for name in known),
            "",
            "`yt8m NAME --help` explains a job and lists its flags; `yt8m --version` prints the "
            "version.",
        ]
    )


if __name__ == "__main__":
    main()
