"""Ctrl-C and SIGTERM: a job leaves always and in time, and a training between two steps.

Python raises the exception of a signal wherever the program is. Where that is a `__del__` or a
callback of the collector, the exception is dropped; where the program is in a library's call, it
waits for the end of it. Here what was dropped is raised again, and a thread ends a process that
does not leave.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
import types
from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SECONDS = 30.0  # From the signal to where the job notices it; what it saves then may take longer.
_AGAIN_SECONDS = 0.05


class Interrupted(KeyboardInterrupt):
    """The process was asked to end.

    Attributes:
        number: the signal.
        status: the exit status that says so.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number
        self.status = 128 + number


class _Handling:
    """What is known of the signals that the process got."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.deferrals = 0
        self.dropped = False
        self.noticed = threading.Event()

    def handle(self, number: int, frame: types.FrameType | None) -> None:
        """The handler. It raises, except on the first signal where that can wait."""
        if self.dropped:
            self.dropped = False
        elif self.number is not None and not self.deferrals:
            os._exit(128 + number)  # Asked a second time, and leaving already.
        elif self.number is None and self.deferrals:
            self.number = number
            _say("Stopping after this step. Once more to leave at once.")
            return
        self.number, self.deferrals = number, 0
        raise Interrupted(number)

    def see_dropped(self, unraisable: sys.UnraisableHookArgs) -> bool:
        """Raises once more, a little later, what was dropped; False where that was no signal's."""
        if not isinstance(unraisable.exc_value, Interrupted):
            return False
        self.dropped = True
        number, main = unraisable.exc_value.number, threading.main_thread().ident
        again = threading.Timer(_AGAIN_SECONDS, signal.pthread_kill, (main, number))
        again.daemon = True
        again.start()
        return True

    def watch(self, signals: socket.socket) -> None:
        """Ends the process where it has not noticed a signal in time; for a thread."""
        with signals:
            while received := signals.recv(1):
                if received[0] in _SIGNALS and not self.noticed.wait(_SECONDS):
                    _say(f"It did not leave within {_SECONDS:.0f} s, and is ended.")
                    os._exit(128 + received[0])


def _say(sentence: str) -> None:
    """Writes to standard error past Python's buffer, in which the program may be."""
    with contextlib.suppress(OSError):
        os.write(2, f"\n{sentence}\n".encode())


_handling: _Handling | None = None


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """Raises `Interrupted` in the block on Ctrl-C and SIGTERM, and sees to it that it leaves."""
    global _handling
    handling = _handling = _Handling()
    hook = sys.unraisablehook

    def see(unraisable: sys.UnraisableHookArgs) -> None:
        if not handling.see_dropped(unraisable):
            hook(unraisable)

    write, read = socket.socketpair()
    write.setblocking(False)
    sys.unraisablehook = see
    earlier_fd = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=handling.watch, args=(read,), daemon=True).start()
    earlier = {number: signal.signal(number, handling.handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
        handling.noticed.set()
        signal.set_wakeup_fd(earlier_fd)
        sys.unraisablehook = hook
        write.close()
        _handling = None


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Lets the first signal in the block wait for the next `check`, or for the end of the block.

    Raises:
        Interrupted: at the end, where a signal is still waiting.
    """
    handling = _handling
    if handling is None:
        yield
        return
    handling.deferrals += 1
    try:
        yield
        check()
    finally:
        handling.deferrals = max(0, handling.deferrals - 1)


def check() -> None:
    """To be called where the work may stop.

    Raises:
        Interrupted: a signal came in a `deferred` block, which it ends.
    """
    handling = _handling
    if handling is None or handling.number is None or not handling.deferrals:
        return
    if threading.current_thread() is threading.main_thread():
        handling.deferrals = 0
        raise Interrupted(handling.number)


def notice() -> None:
    """Says that the job is leaving: what it saves now may take as long as it does."""
    if _handling is not None:
        _handling.noticed.set()
