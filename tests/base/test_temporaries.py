"""Files half written go when their writer is gone, and not before."""

import os
import subprocess
import sys
import time

import pytest

from yt8m.base import temporaries


@pytest.fixture
def gone():
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-S", "-c", ""]) as process:
        process.wait()
    return process.pid


def age(path, days):
    seconds = time.time() - days * 86400
    os.utime(path, (seconds, seconds))


def test_only_what_nobody_writes_any_more_is_removed(tmp_path, gone):
    def make(name, days=0.0):
        (tmp_path / name).write_text("half")
        age(tmp_path / name, days)
        return name

    ours = os.path.basename(temporaries.name(str(tmp_path / "a.flow")))
    host, process = ours.removeprefix(".tmp-").split("-")[:2]
    assert process == str(os.getpid())
    other = "0" * 8 if host != "0" * 8 else "1" * 8
    number = "0123456789abcdef"
    make(f".tmp-{host}-{gone}-{number}-a.flow")
    make(f".tmp-{other}-{gone}-{number}-b.flow", days=1.1)
    kept = {
        make(ours),
        make(f".tmp-{other}-{gone}-{number[::-1]}-b.flow", days=0.9),
        make("a.flow", days=9),
        make("notes.tmp", days=9),
        make(".tmp-notes", days=9),
        make(f"{host}-{gone}-{number}-a.txt", days=9),
    }
    temporaries.remove_abandoned(str(tmp_path))
    temporaries.remove_abandoned(str(tmp_path / "nowhere"))
    assert set(os.listdir(tmp_path)) == kept


def test_a_folder_is_as_old_as_what_changed_last_in_it(tmp_path):
    old, new = (tmp_path / f".tmp-00000000-1-0123456789abcde{n}-out" for n in "01")
    for folder in (old, new):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "weights").write_text("half")
        for path in (folder / "deep" / "weights", folder / "deep", folder):
            age(path, days=2)
    age(new / "deep" / "weights", days=0.5)
    temporaries.remove_abandoned(str(tmp_path))
    assert list(tmp_path.iterdir()) == [new]


def test_names_never_meet_and_say_what_for(tmp_path):
    target = str(tmp_path / "a.flow")
    name = temporaries.name(target)
    assert temporaries.name(target) != name
    assert os.path.dirname(name) == str(tmp_path)
    assert os.path.basename(name).startswith(".tmp-") and name.endswith("-a.flow")
    assert temporaries.target_name(os.path.basename(name)) == "a.flow"
    assert temporaries.target_name("a.flow") is temporaries.target_name(".tmp-a.flow") is None


@pytest.mark.parametrize("letter", ["x", "ü", "\udcff"])
def test_the_longest_name_has_a_temporary_one(letter, tmp_path):
    stem = letter * (251 // len(os.fsencode(letter)))
    name = temporaries.name(str(tmp_path / f"{stem}.npz"))
    with open(name, "w"):
        assert name.endswith(f"{letter}.npz")
