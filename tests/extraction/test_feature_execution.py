"""How pipelines are run, and how they end."""

import concurrent.futures
import os
from concurrent.futures.process import BrokenProcessPool

import pytest

apache_beam = pytest.importorskip("apache_beam")

from yt8m.base.errors import UserError  # noqa: E402
from yt8m.extraction import execution, pipeline  # noqa: E402


class Note(apache_beam.DoFn):
    """Writes which process saw an element; one is refused."""

    def process(self, element):
        """Sees an element."""
        if element == "refuse":
            raise UserError("This file is not as it should be. Mend it.")
        with open(element, "a") as file:
            file.write(f"{os.getpid()}\n")


class DyingPool(concurrent.futures.Executor):
    """Processes of which one dies at once."""

    def submit(self, *arguments):
        """Takes work that is never done."""
        future = concurrent.futures.Future()
        future.set_exception(BrokenProcessPool("A child process terminated abruptly"))
        return future


def test_a_process_that_dies_is_no_puzzle():
    with pytest.raises(UserError, match="A worker process died, .* start again"):
        execution.run_in_processes(DyingPool(), [(None, [])], (), lambda: None)


def test_one_process_needs_no_other_and_hands_on_errors(tmp_path):
    paths = [str(tmp_path / name) for name in "ab"]
    execution.run_here((apache_beam.ParDo(Note()), paths), (), lambda: None)
    assert {(tmp_path / name).read_text() for name in "ab"} == {f"{os.getpid()}\n"}
    with pytest.raises(UserError, match=r"^This file is not as it should be. Mend it.$"):
        execution.run_here((apache_beam.ParDo(Note()), ["refuse"]), (), lambda: None)


def test_options_decide_where_it_runs(capsys):
    assert pipeline.is_local(pipeline.parse_options([]))
    elsewhere = pipeline.parse_options(["--runner=FlinkRunner", "--flink_master=host:8081"])
    assert not pipeline.is_local(elsewhere)
    assert elsewhere.get_all_options()["flink_master"] == "host:8081"
    with pytest.raises(UserError, match="--beam_options='--direct_num_workers=x'"):
        pipeline.parse_options(["--direct_num_workers=x"])
    capsys.readouterr()
