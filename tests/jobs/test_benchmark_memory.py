"""The measurements of memory run, small, and report what they should."""

import json

import pytest
from job_runner import check, run_job, succeed

from tools.benchmark_memory import MEASUREMENTS

AS_PROCESSES = ("video_score",)


@pytest.mark.slow
def test_measurements_report_what_their_processes_took(tmp_path):
    output = tmp_path / "new" / "memory.json"
    flags = {"measurements": ",".join(AS_PROCESSES), "num_videos": 20, "output_file": output}
    printed = succeed("tools.benchmark_memory", **flags)
    figures = json.loads(output.read_text())
    assert tuple(figures) == AS_PROCESSES
    for name, values in figures.items():
        assert name in printed
        # The least is what an interpreter with TensorFlow takes.
        assert 100 < values["peak_mb"] < 4000, name
        assert values["seconds"] > 0 and values["videos_per_s"] > 0


@pytest.mark.parametrize("name", sorted(set(MEASUREMENTS) - set(AS_PROCESSES)))
def test_what_is_measured_ends_well(name, tmp_path):
    check(run_job(*MEASUREMENTS[name](str(tmp_path), 20)))


def test_an_unknown_measurement():
    result = run_job("tools.benchmark_memory", measurements="video_scor")
    assert result.returncode == 1
    assert "ERROR: There is no measurement 'video_scor'. Choose: segment_top_n," in result.stderr
