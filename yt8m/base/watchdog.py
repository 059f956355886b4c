"""Worker processes end with the process that started them. Needs no TensorFlow."""

from __future__ import annotations

import os
import signal
import threading
import time

_WATCH_SECONDS = 1.0


def end_with(parent: int) -> None:
    """Ends this process soon after its parent, also where that one is killed.

    To be called first in a process that was started for work, as the `initializer` of its pool. It
    leaves Ctrl-C, which reaches all processes of a terminal, to the one that started it.

    Args:
        parent: the `os.getpid()` of the process that starts it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
