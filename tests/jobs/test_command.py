"""The command `yt8m NAME`: every job is found, listed, and runs as `python -m yt8m.NAME` does."""

import ast
import functools
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import job_in_process
import pytest
from job_runner import check, command, run_alone, run_job
from paths import ROOT

import yt8m
from yt8m import __main__ as dispatcher

FOLDER = ROOT / "yt8m"
PAGES = ("README.md", "frame_models/README.md", "frame_models/pixels/README.md")
JOBS = [
    "deconvolution",
    "demo",
    "ensemble",
    "eval",
    "export",
    "export_features",
    "extract_features",
    "import_checkpoint",
    "import_features",
    "inference",
    "late_fusion",
    "make_manifest",
    "name_classes",
    "occlusion",
    "predict",
    "prepare_ucf101",
    "quantize_features",
    "score",
    "synthetic",
    "teach",
    "train",
]


@functools.cache
def help_of(name: str) -> str:
    """What `python -m yt8m.NAME --help` prints."""
    return run_job(f"yt8m.{name}", help=True).stdout


def run_command(monkeypatch, *arguments: str) -> subprocess.CompletedProcess:
    """Runs `yt8m` with arguments, in this process."""
    monkeypatch.delitem(sys.modules, dispatcher.__name__)  # It is to be the main module.
    return job_in_process.run(command("yt8m", *arguments))


def flags_of(name: str) -> set[str]:
    """The names of a job's flags."""
    return set(re.findall(r"^  --(?:\[no\])?(\w+):", help_of(name), re.MULTILINE))


def test_it_knows_its_version(monkeypatch):
    assert check(run_command(monkeypatch, "--version")) == f"yt8m {yt8m.__version__}\n"


INTERRUPTED = """
import os, runpy, signal, sys


class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "keras":
            os.kill(os.getpid(), signal.SIGINT)


sys.meta_path.insert(0, Interrupting())
sys.argv = ["yt8m", "eval"]
runpy.run_module("yt8m", run_name="__main__", alter_sys=True)
"""


def test_ctrl_c_while_it_imports_is_neither_lost_nor_a_traceback():
    result = run_alone([sys.executable, "-c", INTERRUPTED])
    assert result.returncode == -signal.SIGINT
    assert result.stderr == ""


def test_every_job_is_known():
    """A job is added by adding its file; then add it here, where a reader sees them all."""
    assert dispatcher.names() == JOBS


@pytest.mark.parametrize("name", dispatcher.names())
def test_a_job_has_a_docstring_flags_and_a_main(name):
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    assert {"define_flags", "main"} <= {getattr(node, "name", "") for node in tree.body}
    assert ast.unparse(tree.body[-1]).endswith(
        ("jobs.run(define_flags, main)", "arguments='VIDEO...')")
    )
    summary = dispatcher.summary(name)
    assert summary.endswith(".") and len(summary) < 100
    assert ast.get_docstring(tree).startswith(summary)


@pytest.mark.parametrize("name", dispatcher.names())
def test_a_job_explains_itself_in_both_ways(name, monkeypatch):
    printed = help_of(name)
    assert printed == run_command(monkeypatch, name, "--help").stdout
    given = {"predict": " VIDEO..."}.get(name, "")
    assert printed.startswith(f"usage: yt8m {name} [flags]{given}\n\n{dispatcher.summary(name)}")
    source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    own = set(re.findall(r'define\.\w+\(\s*"(\w+)"', source))
    assert own
    assert own <= flags_of(name)


def commands(page: Path) -> list[tuple[str, list[str]]]:
    """The jobs in a page's shell examples, each with the names of its flags."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    found = []
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        for part in re.findall(r"(?:^|\s)yt8m (\w+)(.*)", line):
            found.append((part[0], re.findall(r"\s--(\w+)", part[1])))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_the_pages_are_those_of_jobs(page):
    examples = commands(ROOT / page)
    assert examples
    for name, flags in examples:
        assert set(flags) <= flags_of(name), (name, flags)


def test_a_run_records_the_same_flags_in_both_ways(run_dir, training_flags, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    given = (f"--{name}={value}" for name, value in training_flags.items())
    check(run_command(monkeypatch, "train", f"--train_dir={folder}", *given))
    first, second = (json.loads((path / "run.json").read_text()) for path in (run_dir, folder))
    assert first["flags"].pop("train_dir") == str(run_dir)
    assert second["flags"].pop("train_dir") == str(folder)
    assert first == second
    assert "num_epochs" in first["flags"]


@pytest.mark.parametrize("arguments", [[], ["help"], ["--help"]])
def test_the_list_of_jobs_imports_nothing_slow(arguments):
    script = (
        "import sys; from yt8m import __main__ as dispatcher; dispatcher.main(); "
        "print(sorted({'absl', 'keras', 'numpy', 'rich', 'tensorflow'} & set(sys.modules)))"
    )
    printed = check(run_alone([sys.executable, "-c", script, *arguments]))
    *shown, imported = printed.splitlines()
    assert imported == "[]"
    listed = [line.split(maxsplit=1) for line in shown if line.startswith("  ")]
    assert listed == [[name, dispatcher.summary(name)] for name in JOBS]


def test_a_wrong_name_is_answered_with_the_closest(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["yt8m", "trian", "--train_dir=runs/moe"])
    with pytest.raises(SystemExit) as ended:
        dispatcher.main()
    assert ended.value.code == 1
    output, error = capsys.readouterr()
    assert output == ""
    assert error.startswith("ERROR: No job is called 'trian'. Did you mean 'train'? Valid names: ")
    assert error.endswith(f"{', '.join(JOBS)}.\n")


@pytest.mark.parametrize("name", ["runs", "base", "__init__", "train.py"])
def test_what_is_no_job_is_not_run(name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["yt8m", name])
    with pytest.raises(SystemExit):
        dispatcher.main()
    assert f"No job is called {name!r}" in capsys.readouterr().err


def test_help_for_a_job_is_the_help_of_the_job(monkeypatch):
    started = []
    monkeypatch.setattr(
        dispatcher.runpy, "run_module", lambda *args, **kwargs: started.append((args, sys.argv[1:]))
    )
    for arguments in (["help", "eval"], ["eval", "--help"]):
        monkeypatch.setattr(sys, "argv", ["yt8m", *arguments])
        dispatcher.main()
    assert started == [(("yt8m.eval",), ["--help"])] * 2
