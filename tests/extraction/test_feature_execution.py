"""How pipelines are run, and how they end."""

import concurrent.futures
import os
import threading
import time
from concurrent.futures.process import BrokenProcessPool

import pytest
import video_files
from small_extractor import SETTINGS, brightness, gray

apache_beam = pytest.importorskip("apache_beam")

from yt8m.base import jobs  # noqa: E402
from yt8m.base.errors import UserError  # noqa: E402
from yt8m.extraction import beam_execution, beam_pipeline, shards  # noqa: E402
from yt8m.extraction.networks import Networks  # noqa: E402


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
        beam_execution.run_in_processes(DyingPool(), [(None, [])], (), lambda: None)


def test_a_pipeline_that_is_interrupted_is_left_behind(monkeypatch):
    """Python must not shut down while TensorFlow works in its thread."""
    ended = threading.Event()
    left = []
    monkeypatch.setattr(jobs, "leave_behind", left.append)
    monkeypatch.setattr(beam_execution, "_run_part", lambda part, arguments: ended.wait(60))

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        beam_execution.run_here((None, []), (), interrupt)
    (worker,) = left
    assert worker.is_alive()
    ended.set()
    worker.join()


def test_one_process_needs_no_other_and_hands_on_errors(tmp_path):
    paths = [str(tmp_path / name) for name in "ab"]
    beam_execution.run_here((apache_beam.ParDo(Note()), paths), (), lambda: None)
    assert {(tmp_path / name).read_text() for name in "ab"} == {f"{os.getpid()}\n"}
    with pytest.raises(UserError, match=r"^This file is not as it should be. Mend it.$"):
        beam_execution.run_here((apache_beam.ParDo(Note()), ["refuse"]), (), lambda: None)


def test_options_decide_where_it_runs(capsys):
    assert beam_pipeline.is_local(beam_pipeline.parse_options([]))
    elsewhere = beam_pipeline.parse_options(["--runner=FlinkRunner", "--flink_master=host:8081"])
    assert not beam_pipeline.is_local(elsewhere)
    assert elsewhere.get_all_options()["flink_master"] == "host:8081"
    with pytest.raises(UserError, match="--beam_options='--direct_num_workers=x'"):
        beam_pipeline.parse_options(["--direct_num_workers=x"])
    capsys.readouterr()


def test_options_that_beam_does_not_know_are_named(caplog):
    known = ["--direct_num_workers=2", "--job_name", "one"]
    beam_pipeline.check_options(known)
    for unknown in (
        ["--no_such=1"],
        ["--no_such", "1"],
        ["--direct_num_worker=2"],
        ["more"],
        ["-x"],
    ):
        with pytest.raises(
            UserError, match=f"no such option in --beam_options: {' '.join(unknown)}."
        ):
            beam_pipeline.check_options([*known, *unknown])
    # Flink's server has more options than Beam's Python knows.
    beam_pipeline.check_options(["--runner=FlinkRunner", "--parallelism=2", "--state_backend=x"])
    assert "Only the server of FlinkRunner may know --state_backend=x." in caplog.text
    with pytest.raises(UserError, match="does not understand"):
        beam_pipeline.check_options(["--direct_num_workers=x"])


def test_processes_end_with_a_block_that_fails():
    """Also in the middle of their work, which nobody waits for."""
    with pytest.raises(ZeroDivisionError), beam_execution.processes(1) as pool:
        busy = pool.submit(time.sleep, 86400)
        while not busy.running():
            time.sleep(0.1)
        raise ZeroDivisionError
    assert isinstance(busy.exception(), BrokenProcessPool)


def test_of_a_part_of_a_video_only_its_frames_are_measured(tmp_path):
    """One second that is dark at first: the part is the bright second half."""
    path = video_files.write(tmp_path / "a.mp4", gray([0] * 13 + [255] * 12))
    (tmp_path / "log").mkdir()
    measure = beam_pipeline._MeasureVideo(SETTINGS, 0, str(tmp_path), False)
    measure._networks = Networks(brightness, 3, {})
    sizes = []
    for times in [(), (0.52, None), (0.52, 9.0)]:
        item = shards.Item("a", path, (), 1, 1, *times)
        (moments,) = measure.process(beam_pipeline.video_text(item))
        sizes.append(moments.total[0] / moments.count)
    assert sizes == pytest.approx([0.4, 1, 1], abs=0.03)
    behind = shards.Item("a", path, (), 1, 1, 3.0, 4.0)
    assert list(measure.process(beam_pipeline.video_text(behind))) == []
