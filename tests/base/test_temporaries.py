"""Files half written go when their writer is gone, and not before."""

import os
import subprocess
import sys
import time
import uuid

import pytest

from yt8m.base import temporaries


@pytest.fixture
def gone():
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        process.wait()
    return process.pid


def test_only_what_nobody_writes_any_more_is_removed(tmp_path, gone):
    def make(name, days=0.0):
        (tmp_path / name).write_text("half")
        seconds = time.time() - days * 86400
        os.utime(tmp_path / name, (seconds, seconds))
        return name

    ours = os.path.basename(temporaries.name(str(tmp_path / "a.flow")))
    host, process, _ = ours.split(".")[2].split("-")
    assert process == str(os.getpid())
    other = "0" * 8 if host != "0" * 8 else "1" * 8
    number = uuid.uuid4().hex
    make(f"a.flow.{host}-{gone}-{number}.tmp")
    make(f"b.flow.{other}-{gone}-{number}.tmp", days=1.1)
    make(f"c.flow.{number}.tmp", days=1.1)
    kept = {
        make(ours),
        make(f"b.flow.{other}-{gone}-{number[::-1]}.tmp", days=0.9),
        make(f"c.flow.{number[::-1]}.tmp"),
        make("a.flow", days=9),
        make("notes.tmp", days=9),
        make(f"{host}-{gone}-{number}.txt", days=9),
    }
    temporaries.remove_abandoned([str(tmp_path), str(tmp_path / "nowhere")])
    assert set(os.listdir(tmp_path)) == kept


def test_names_never_meet(tmp_path):
    target = str(tmp_path / "a.flow")
    assert temporaries.name(target) != temporaries.name(target)
    assert os.path.dirname(temporaries.name(target)) == str(tmp_path)
