"""The measurements of memory run, small, and report what they should."""

import json

import pytest
from job_runner import run_job, succeed


@pytest.mark.slow
def test_every_measurement_runs(tmp_path):
    output = tmp_path / "new" / "memory.json"
    printed = succeed("tools.benchmark_memory", num_videos=20, output_file=output)
    figures = json.loads(output.read_text())
    assert {"segment_top_n", "video_inference", "video_score", "segment_score"} <= set(figures)
    for name, values in figures.items():
        assert name in printed
        # The least is what an interpreter with TensorFlow takes.
        assert 100 < values["peak_mb"] < 4000, name
        assert values["seconds"] > 0 and values["videos_per_s"] > 0


def test_an_unknown_measurement():
    result = run_job("tools.benchmark_memory", measurements="video_scor")
    assert result.returncode == 1
    assert "ERROR: There is no measurement 'video_scor'. Choose: segment_top_n," in result.stderr
