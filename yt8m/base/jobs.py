"""What every job shares: how it starts, how it ends, and how it fails."""

from __future__ import annotations

import atexit
import importlib
import os
import signal
import sys
import types
from collections.abc import Callable
from typing import NoReturn

import keras
import tensorflow as tf
from absl import app, flags, logging

from yt8m.base.errors import UserError


def run(define_flags: Callable[[], None], main: Callable[[], None]) -> None:
    """Runs a job: defines its flags, parses them, and prints a UserError as one sentence.

    Flags are defined here and not when a job's module is imported, so that one job can use the
    functions of another.
    """
    others = set(flags.FLAGS)
    define_flags()
    for name in set(flags.FLAGS) - others:  # Some of them by a function of another module.
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])

    def guarded(argv: list[str]) -> None:
        logging.set_verbosity(max(logging.get_verbosity(), logging.INFO))
        logging.use_absl_handler()
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        try:
            if len(argv) > 1:
                raise UserError(
                    f"Unexpected argument {argv[1]!r}: this job takes flags only (--name=value)."
                )
            if keras.config.backend() != "tensorflow":
                # TensorFlow only reads; the memory of the GPUs is for the backend that computes.
                tf.config.set_visible_devices([], "GPU")
            main()
        except UserError as error:
            sys.stdout.flush()
            print(f"ERROR: {error}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print("Interrupted.", file=sys.stderr)
            sys.exit(130)

    code: object = 1
    try:
        app.run(guarded)
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001 - the process ends here, with its traceback.
        sys.excepthook(*sys.exc_info())
    _leave(code)


def _leave(code: object) -> NoReturn:
    """Ends the process with an exit status, as `sys.exit(code)`, but without Python's shutdown.

    A reader that was left in the middle of its shards has threads that call Python. While Python
    shuts down such a call ends in an abort, or never.
    """
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 1
    os._exit(code or 0)


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
