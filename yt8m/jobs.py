"""What every job shares: how it starts, how it fails, and the flags over data."""

from __future__ import annotations

import atexit
import importlib
import os
import signal
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import keras
import tensorflow as tf
from absl import app, flags, logging

from yt8m import runs
from yt8m.data import detect, files
from yt8m.data.reader import Reader
from yt8m.data.readlog import FAIL, SKIP, ReadLog
from yt8m.data.schema import Schema
from yt8m.data.video import pattern as pattern_lib
from yt8m.data.video import settings
from yt8m.data.video.schema import CLIP
from yt8m.errors import UserError

_BATCH_SIZE = 1024
_BATCH_SIZE_OF_CLIPS = 16
# Flags of `define_video_flags`, which have a meaning for raw video alone.
OF_VIDEO = ("num_clips", "num_crops", "cache_dir", "num_workers")


def run(define_flags: Callable[[], None], main: Callable[[], None]) -> None:
    """Runs a job: defines its flags, parses them, and prints a UserError as one sentence.

    Flags are defined here and not when a job's module is imported, so that one job can use the
    functions of another.
    """
    define_flags()
    for flag in flags.FLAGS.get_key_flags_for_module(__name__):
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)

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


def define_data_flags(batch_size: int | None) -> None:
    """Defines the flags of every job that reads examples.

    Args:
        batch_size: the default; None where it depends on what is read, see `settle_batch_size`.
    """
    text = "Examples a batch."
    if batch_size is None:
        text = f"Examples a batch; by default {_BATCH_SIZE}, of raw video {_BATCH_SIZE_OF_CLIPS}."
    flags.DEFINE_integer("batch_size", batch_size, text, lower_bound=1)
    flags.DEFINE_enum(
        "on_corrupt_shard",
        SKIP,
        [SKIP, FAIL],
        "What a damaged shard or video does: skip leaves out the damaged records or the video, "
        "warns and counts them; fail ends the job.",
    )


def settle_batch_size(of_clips: bool) -> None:
    """Fills in --batch_size where it was not given.

    Args:
        of_clips: whether raw video is read, of which an example is some megabytes.
    """
    if flags.FLAGS.batch_size is None:
        flags.FLAGS.batch_size = _BATCH_SIZE_OF_CLIPS if of_clips else _BATCH_SIZE


def define_video_flags() -> None:
    """Defines the flags of every job that scores raw video."""
    flags.DEFINE_integer("num_clips", 1, "Clips of a raw video that are scored.", lower_bound=1)
    flags.DEFINE_integer(
        "num_crops", 1, "Crops of a clip that are scored: 1, 3, 5, or 10 with mirror images.", 1
    )
    define_decoding_flags()


def define_decoding_flags() -> None:
    """Defines the flags of everything that reads raw video."""
    define_path(
        "cache_dir", "Folder to keep in what was seen of raw videos, and their optical flow; by "
        "default beside the manifest.", ""
    )  # fmt: skip
    flags.DEFINE_integer(
        "num_workers",
        None,
        "Processes that decode raw video; by default one a core, 0 for none.",
        0,
    )


class _SpecParser(flags.ArgumentParser):
    """Parses a flag with a function that raises ValueError."""

    syntactic_help = "a name, or a name with key=value arguments in parentheses"

    def __init__(self, parse: Callable[[str], Any]):
        super().__init__()
        self._parse = parse

    def parse(self, argument: Any) -> Any:
        return self._parse(argument) if isinstance(argument, str) else argument

    def flag_type(self) -> str:
        return "spec"


def define_spec_flag(name: str, default: str, parse: Callable[[str], Any], text: str) -> None:
    """Defines a flag whose value is a spec; a wrong one fails while flags are parsed."""
    flags.DEFINE(_SpecParser(parse), name, default, text, serializer=flags.ArgumentSerializer())


class _PathParser(flags.ArgumentParser):
    """A local path; the shell leaves a ~ behind --flag= alone."""

    syntactic_help = "a path"

    def parse(self, argument: str) -> str:
        return os.path.expanduser(argument)


def define_clip_flags() -> None:
    """Defines the flags that say what a clip of raw video is, to a training."""
    define_spec_flag(
        "clips", "clips", settings.Clips.from_spec, "How clips are cut out of raw video, such as "
        "clips(frames=16, stride=2, resize=128, crop=112)."
    )  # fmt: skip
    define_spec_flag(
        "flow", "flow", settings.Flow.from_spec, "How optical flow is shown to a model that takes "
        "it, such as flow(length=10, method='tvl1')."
    )  # fmt: skip


def define_path(name: str, text: str, default: str | None = None) -> None:
    """Defines a flag that is a path; without a default it is required."""
    serializer = flags.ArgumentSerializer()
    required = default is None
    flags.DEFINE(_PathParser(), name, default, text, serializer=serializer, required=required)


def parse_ints(name: str) -> tuple[int, ...]:
    """The values of a list flag as integers.

    Raises:
        UserError: one is no integer.
    """
    values = flags.FLAGS[name].value
    try:
        return tuple(int(value) for value in values)
    except ValueError:
        raise UserError(f"--{name} takes integers. Received: {','.join(values)}.") from None


def refuse_flags(names: Iterable[str], reason: str) -> None:
    """Fails where a flag is given that would do nothing.

    Args:
        names: flags that must be left out.
        reason: what they do not go with, such as `with --segment_labels`.

    Raises:
        UserError: one is given.
    """
    given = [f"--{name}" for name in names if flags.FLAGS[name].present]
    if given:
        raise UserError(f"{given[0]} has no meaning {reason}. Leave it out.")


def flag_values() -> dict[str, Any]:
    """Every flag of this job by name, for the record."""
    own = flags.FLAGS.get_key_flags_for_module(sys.argv[0])
    return {
        flag.name: value if isinstance(value, (int, float, list, type(None))) else str(value)
        for flag in sorted(own, key=lambda flag: flag.name)
        for value in [flag.value]
    }


def read_log() -> ReadLog:
    """A log of what is read, as --on_corrupt_shard says."""
    return ReadLog(flags.FLAGS.on_corrupt_shard)


def open_shards(pattern: str) -> tuple[list[str], Schema]:
    """Finds the shards of a pattern and what they hold.

    Raises:
        UserError: nothing matches, nothing can be read, or the pattern names raw video.
    """
    if pattern_lib.parse(pattern) is not None:
        raise UserError(
            f"{pattern} names raw video, but this needs shards: TFRecord files. Those of raw video "
            "are train, eval and inference of its models; `python -m tools.extract_features` makes "
            "shards of it."
        )
    paths = files.resolve(pattern)
    schema = detect.detect(paths)
    logging.info("%s: %d shard(s), %s", pattern, len(paths), schema)
    return paths, schema


def make_reader(run: runs.Run, pattern: str, batch_size: int, **options) -> Reader:
    """A reader of shards for the model of a run, as the flags over data say.

    Args:
        run: the run.
        pattern: of the shards.
        batch_size: examples a batch.
        **options: of the reader besides.

    Raises:
        UserError: nothing matches, nothing can be read, or the records do not fit the model.
    """
    if run.config.schema.kind == CLIP:
        raise UserError(
            f"{run.train_dir} takes raw video, and this job reads shards. Use eval, inference or "
            f"yt8m.late_fusion for it. Received: {pattern}."
        )
    paths, found = open_shards(pattern)
    return Reader(
        paths,
        run.config.schema.match(found, pattern),
        run.config.num_classes,
        batch_size,
        max_frames=run.config.preprocessing["max_frames"],
        log=read_log(),
        **options,
    )


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


def check_output_file(path: str) -> None:
    """Fails before the work, not after it, where an output file cannot be written.

    Raises:
        UserError: the path is a folder, or its folder cannot be made or written.
    """
    if "://" in path:
        raise UserError(f"Cannot write {path}: name a local file, and copy it afterwards.")
    folder = os.path.dirname(os.path.abspath(path))
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror} ({folder}).") from None
    if os.path.isdir(path):
        raise UserError(f"Cannot write {path}: it is a folder. Name a file.")
    if not os.access(folder, os.W_OK):
        raise UserError(f"Cannot write {path}: no permission to write in {folder}.")
