"""The processes that decode: how many there are, and when they end."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from yt8m.base.errors import UserError
from yt8m.data.video import workers


def test_results_come_in_order_with_and_without_processes():
    tasks = [(2, n) for n in range(20)]
    expected = [2**n for n in range(20)]
    assert list(workers.ordered(pow, tasks, 0)) == expected
    assert list(workers.ordered(pow, tasks, 1)) == expected


def test_all_threads_share_the_workers():
    found = set()

    def ask():
        found.update(workers.ordered(os.getpid, [()] * 3, 1))

    for _ in range(3):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert len(found) == 1
    assert found != {os.getpid()}


def test_an_error_is_that_of_the_function():
    with pytest.raises(ZeroDivisionError):
        list(workers.ordered(divmod, [(1, 0)], 1))


def test_a_worker_that_dies_is_one_sentence_and_another_takes_its_place():
    with pytest.raises(UserError, match="--num_workers=1"):
        list(workers.ordered(os._exit, [(3,)], 1))
    assert list(workers.ordered(pow, [(2, 3)], 1)) == [8]


def test_workers_end_soon_after_a_job_that_is_killed():
    script = """
        import os, time
        from yt8m.data.video import workers
        from yt8m.data.video.sources import file_index

        def report(*arguments):
            print(os.getpid(), os.getenv("OMP_NUM_THREADS"), flush=True)

        def look(task):
            report()
            time.sleep(86400)

        list(workers.ordered(report, [()], 1))
        file_index._look = look
        file_index.build(["a.mp4"], "", num_workers=1)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    environment = {name: value for name, value in os.environ.items() if "_NUM_THREADS" not in name}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as job:
        found = [tuple(map(int, job.stdout.readline().split())) for _ in range(2)]
        job.send_signal(signal.SIGKILL)
    assert [threads for _, threads in found] == [1, 1]
    while any(_runs(worker) for worker, _ in found):
        time.sleep(0.1)


def _runs(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
