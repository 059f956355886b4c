"""Progress in a log file: what is done, how fast, how long still."""

import logging

from yt8m.base import progress


def test_a_log_gets_lines_with_rate_and_time_left(monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with caplog.at_level(logging.INFO, "absl"), progress.ProgressReport("Reading", 100) as report:
        now[0] = 5.0
        report.advance(10)
        assert not caplog.messages  # Not every few milliseconds.
        now[0] = 20.0
        report.advance(30, "loss 2")
        assert caplog.messages == ["Reading: 40 examples, 2/s, loss 2, about 30 s left."]
        now[0] = 40.0
        report.advance(80)  # More than estimated.
        assert caplog.messages[1] == "Reading: 120 examples, 3/s."
    assert caplog.messages[-1] == "Reading: 120 examples in 40.0 s."
    with caplog.at_level(logging.INFO, "absl"), progress.ProgressReport("Writing", unit="rows"):
        pass
    assert caplog.messages[-1] == "Writing: 0 rows in 0.0 s."
