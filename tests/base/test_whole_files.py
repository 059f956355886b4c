"""Files and folders appear whole, whoever else writes them and whatever stood there."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from yt8m.base import files, temporaries
from yt8m.base.errors import UserError


def write(path, text="new"):
    with files.atomic_file(str(path)) as file:
        file.write(text)


def names(folder):
    return sorted(os.listdir(folder))


def test_what_is_written_beside_has_the_extension_and_is_hidden(tmp_path):
    with files.atomic_path(str(tmp_path / "model.keras")) as first:
        with files.atomic_path(str(tmp_path / "model.keras")) as second:
            assert first != second
            for number, path in enumerate((first, second)):
                assert os.path.dirname(path) == str(tmp_path)
                assert os.path.basename(path).startswith(".tmp-") and path.endswith("model.keras")
                with open(path, "w") as file:
                    file.write(str(number))
        assert (tmp_path / "model.keras").read_text() == "1"
    assert (tmp_path / "model.keras").read_text() == "0"
    assert names(tmp_path) == ["model.keras"]


def test_a_binary_file_holds_the_bytes_written(tmp_path):
    with files.atomic_file(str(tmp_path / "a"), "wb") as file:
        file.write(b"\xff\n")
    assert (tmp_path / "a").read_bytes() == b"\xff\n"


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "there").write_text("old")
    for name in ("there", "not yet"):
        (tmp_path / name).symlink_to(tmp_path / "far" / name)
        (tmp_path / f"over {name}").symlink_to(name)
        write(tmp_path / f"over {name}")
        assert (tmp_path / name).is_symlink() and (tmp_path / f"over {name}").is_symlink()
        assert (tmp_path / "far" / name).read_text() == "new"
    assert names(tmp_path / "far") == ["not yet", "there"]


def test_what_is_no_file_is_written_to_and_stays(tmp_path):
    write("/dev/null")
    assert not os.path.isfile("/dev/null")
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    write(tmp_path / "pipe")
    reader.join(10)
    assert read == ["new"] and (tmp_path / "pipe").is_fifo()
    assert names(tmp_path) == ["pipe"]
    files.check_output_file("/dev/null")


@pytest.mark.parametrize("path", ["folder", "link", "new/"])
def test_a_folder_is_refused(path, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    with pytest.raises(UserError, match="Cannot write .*: Is a directory. Check"):
        write(f"{tmp_path}/{path}")
    assert names(tmp_path) == ["folder", "link"] and not names(tmp_path / "folder")


LINES = 20_000
WRITER = f"""
import sys
from yt8m.base import files
letter, path = sys.argv[1:]
for _ in range(30):
    with files.atomic_file(path) as file:
        for number in range({LINES}):
            file.write(letter)
"""


def test_processes_that_write_one_file_do_not_mix(tmp_path):
    path = tmp_path / "file"
    commands = [[sys.executable, "-c", WRITER, letter, str(path)] for letter in "ab"]
    writers = [subprocess.Popen(command) for command in commands]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            seen.add(path.read_text())
    assert [writer.wait() for writer in writers] == [0, 0]
    assert path.read_text() in {"a" * LINES, "b" * LINES}
    assert seen and seen <= {"a" * LINES, "b" * LINES}
    assert names(tmp_path) == ["file"]


KILLED = """
import os, signal, sys
from yt8m.base import files
with files.atomic_file(sys.argv[1] + "/a.txt") as file:
    with files.atomic_folder(sys.argv[1] + "/b") as folder:
        open(folder + "/half", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_job_left_goes_with_the_first_write_of_the_next(tmp_path):
    def kill():
        result = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
        assert result.returncode == -signal.SIGKILL

    kill()
    assert len(names(tmp_path)) == 2
    write(tmp_path / "c")
    assert names(tmp_path) == ["c"]
    kill()
    write(tmp_path / "c")
    assert len(names(tmp_path)) == 3, "a folder is looked through once"


@pytest.fixture(params=[True, False], ids=["in one step", "in two"])
def exchange(request, monkeypatch):
    """With the system's call that exchanges folders, and without."""
    if not request.param:
        monkeypatch.setattr(files, "_exchange", lambda one, other: False)


@pytest.mark.skipif(sys.platform != "linux", reason="others have no such call")
def test_at_every_moment_a_folder_is_there(tmp_path, monkeypatch):
    def write():
        with files.atomic_folder(str(tmp_path / "out")):
            pass

    write()
    # What could be killed between two of these calls is not called.
    monkeypatch.delattr(os, "replace")
    first = os.stat(tmp_path / "out").st_ino
    write()
    assert os.stat(tmp_path / "out").st_ino != first and names(tmp_path) == ["out"]


def test_a_folder_appears_whole_in_place_of_another(tmp_path, exchange):
    for name in ("one", "two"):
        with files.atomic_folder(str(tmp_path / "out")) as folder:
            (tmp_path / os.path.basename(folder) / name).touch()
            assert names(tmp_path / "out") == ["one"] if name == "two" else True
    assert names(tmp_path) == ["out"] and names(tmp_path / "out") == ["two"]
    with pytest.raises(ZeroDivisionError), files.atomic_folder(str(tmp_path / "out")):
        raise ZeroDivisionError
    assert names(tmp_path) == ["out"] and names(tmp_path / "out") == ["two"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="Not a directory"):
        with files.atomic_folder(str(tmp_path / "file")):
            pass
    assert (tmp_path / "file").read_text() == "mine"


def test_folders_that_are_written_at_once_do_not_mix(tmp_path, exchange):
    def work(name):
        for _ in range(100):
            with files.atomic_folder(str(tmp_path / "out")) as folder:
                for part in "xy":
                    with open(f"{folder}/{name}{part}", "w"):
                        pass

    writers = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") in [[f"{name}x", f"{name}y"] for name in "abcd"]


def test_scratch_is_gone_whatever_it_was(tmp_path):
    for make in (os.mkdir, lambda path: open(path, "w").close(), lambda path: None):
        with files.scratch_path(str(tmp_path / "new" / "a.keras")) as path:
            make(path)
            assert path.endswith(".keras")
        assert not names(tmp_path / "new")
    assert temporaries.PREFIX in path
