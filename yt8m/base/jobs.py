"""What every job shares: how it starts, how it ends, and how it fails."""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import io
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import NoReturn

import keras
import tensorflow as tf
from absl import app, flags, logging

from yt8m.base import interruption
from yt8m.base.errors import UserError, first_line, on_one_line

# A reader that was left is waited for so long: it may be decoding a video.
_READERS_SECONDS = 10.0
_left_behind: list[threading.Thread] = []


def run(define_flags: Callable[[], None], main: Callable[..., None], arguments: str = "") -> None:
    """Runs a job: defines its flags, parses them, and prints a UserError as one sentence.

    Flags are defined here and not when a job's module is imported, so that one job can use the
    functions of another.

    Args:
        define_flags: defines them.
        main: does the work. It is called with a list of what is given besides flags, where the job
            takes any.
        arguments: what it takes besides flags, for its usage, such as `VIDEO...`; empty for none.
    """
    for stream in (sys.stdout, sys.stderr):  # A path may hold what they cannot show.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    gc.freeze()  # What was imported stays: to walk it again takes a second at the end alone.
    others = set(flags.FLAGS)
    define_flags()
    for name in set(flags.FLAGS) - others:  # Some of them by a function of another module.
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
    _show_usage(sys.modules["__main__"], arguments)

    def guarded(argv: list[str]) -> None:
        logging.set_verbosity(max(logging.get_verbosity(), logging.INFO))
        logging.use_absl_handler()
        with _in_a_sentence():
            if len(argv) > 1 and not arguments:
                raise UserError(
                    f"Unexpected argument {argv[1]!r}: this job takes flags only (--name=value)."
                )
            if keras.config.backend() != "tensorflow":
                # TensorFlow only reads; the memory of the GPUs is for the backend that computes.
                tf.config.set_visible_devices([], "GPU")
            with interruption.handled():
                main(*([argv[1:]] if arguments else []))

    try:
        app.run(guarded)  # It ends with an exception always, also where all is well.
    except BaseException as error:  # noqa: BLE001 - the process ends here, with its traceback.
        code = _report(error)
        in_time = threading.Timer(_READERS_SECONDS, os._exit, (code,))
        in_time.daemon = True
        in_time.start()
    if not _close_readers() or any(thread.is_alive() for thread in _left_behind):
        os._exit(code)
    in_time.cancel()
    sys.exit(code)


@contextlib.contextmanager
def _in_a_sentence() -> Iterator[None]:
    """Ends the process with a sentence where a UserError, a signal or want of room ends the job."""
    try:
        yield
    except UserError as error:
        _end(str(error))
    except interruption.Interrupted as error:
        print(f"Ended by {signal.Signals(error.number).name}.", file=sys.stderr)
        sys.exit(error.status)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)
    except Exception as error:
        exhausted = _what_is_exhausted(error)
        if exhausted is None:
            raise
        _end(exhausted)


def _end(sentence: str) -> NoReturn:
    """Ends a job with a sentence on the error stream."""
    sys.stdout.flush()
    print(f"ERROR: {on_one_line(sentence)}", file=sys.stderr)
    sys.exit(1)


def leave_behind(thread: threading.Thread) -> None:
    """Says that nobody waits for a daemon thread any more, as where its work was interrupted.

    While Python shuts down, a library that calls Python in it ends in an abort, as a reader does:
    see `_close_readers`. A job ends without Python's shutdown where it still works then.
    """
    _left_behind.append(thread)


def _what_is_exhausted(error: Exception) -> str | None:
    """A sentence on an error that says that the disk or the memory is full; None for others."""
    text = first_line(error)
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT) or os.strerror(errno.ENOSPC) in text:
        named = getattr(error, "filename", None)
        return f"The disk is full: {text if named is None else named}. Make room and start again."
    of_tensorflow = isinstance(error, tf.errors.ResourceExhaustedError)
    if of_tensorflow or isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in text:
        return (
            f"Out of memory: {text}. Choose a smaller model or --batch_size, or end other programs."
        )
    return None


def _show_usage(module: types.ModuleType, arguments: str) -> None:
    """Puts how a job is started before its docstring, which is what absl prints for --help."""
    name = module.__spec__.name if module.__spec__ else ""
    package, _, job = name.partition(".")
    command = f"yt8m {job}" if package == "yt8m" else f"python -m {name}"
    if name:
        usage = f"usage: {command} [flags] {arguments}".rstrip()
        module.__doc__ = f"{usage}\n\n{module.__doc__}"


def _report(error: BaseException) -> int:
    """Prints what ended a job, as Python would, and returns the exit status."""
    code = 1
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            code = error.code or 0
        else:
            print(error.code, file=sys.stderr)
    else:
        sys.excepthook(type(error), error, error.__traceback__)
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # Nobody reads it any more: Python would try again, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or 1
    return code


def _close_readers() -> bool:
    """Ends what reads shards in the background, and says whether all of it has ended.

    A reader that was left in the middle of its shards, as by an error, has threads that call
    Python. While Python shuts down such a call ends in an abort, or never. TensorFlow waits for
    these threads where an iterator is deleted; so the process may end as any other where none is
    left. A job that still holds one ends without Python's shutdown.
    """
    gc.collect()  # An exception and the frames that it ended may hold each other.
    kinds = {type(thing) for thing in gc.get_objects()}
    return not any(issubclass(kind, tf.data.Iterator) for kind in kinds)


def import_extra(module: str, extra: str) -> types.ModuleType:
    """Imports a module of this project that needs packages of an extra.

    Args:
        module: its name.
        extra: that of the packages, see setup.cfg.

    Raises:
        UserError: one of them is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(("yt8m", "frame_models", "video_models", "tools")):
            raise
        raise UserError(
            f"This needs the package {error.name}, which is not installed. Install the extra "
            f"`{extra}`: pip install '.[{extra}]'."
        ) from None
