r"""Converts the features of frame-level records: floats to YouTube-8M's bytes, or back.

    python -m yt8m.quantize_features --input_data_pattern='features/*.pb' --output_dir=shards

It takes shards, and files that hold one bare record each, as MediaPipe's YouTube-8M extractor
writes them (`features.pb`); of each it makes a shard. Floats, such as MediaPipe's
`RGB/feature/floats`, become bytes under `rgb`: x in [-2, 2] becomes round((x + 2) * 255/4).
`--to=float32` makes floats of bytes; converted back, they give the same bytes.

Everything else in a record stays. Where its id and its labels have MediaPipe's names, `id` and
`labels` are added. MediaPipe's features may differ in length: a frame is taken each second, and a
window of sound where 0.96 seconds of it are left. They are cut to the shortest.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import tensorflow as tf
from absl import flags, logging

from yt8m.base import define, files, jobs
from yt8m.base.errors import UserError
from yt8m.base.progress import ProgressReport
from yt8m.conversion.frame_converter import FLOAT32, UINT8, FrameConverter
from yt8m.data import detect, shard_paths, tfrecord
from yt8m.data.read_log import FAIL, SKIP, ReadLog
from yt8m.data.reader import Reader
from yt8m.data.schema import Schema


def define_flags() -> None:
    """Defines the flags of this tool."""
    define.string("input_data_pattern", "Shards, or files of one record each.", required=True)
    define.path("output_dir", "Folder for the new shards, which are named as the old ones.")
    define.choice("to", "What to make of the features.", UINT8, [UINT8, FLOAT32])
    define.strings("feature_names", "Features to convert; by default all that need it.", [])
    define.strings(
        "output_names",
        "Keys to write them under, in the same order; by default their names "
        "for uint8, such as rgb, and NAME/feature/floats for float32.",
        [],
    )
    define.integer(
        "max_length_difference",
        "Frames by which the features of a record may differ in "
        "length; they are cut to the shortest.",
        2,
        at_least=0,
    )
    define.choice(
        "on_corrupt_shard",
        "What a damaged shard does: skip leaves out the "
        "damaged records, warns and counts them; fail ends the tool.",
        SKIP,
        [SKIP, FAIL],
    )


def main() -> None:
    """Converts as the flags say."""
    args = flags.FLAGS
    outputs = output_paths(shard_paths.resolve(args.input_data_pattern), args.output_dir)
    schema, total = look(list(outputs))
    logging.info("%s: %d file(s), %s", args.input_data_pattern, len(outputs), schema)
    converter = FrameConverter(
        schema,
        args.to,
        tuple(args.feature_names),
        tuple(args.output_names),
        args.max_length_difference,
    )
    log = ReadLog(args.on_corrupt_shard)
    with ProgressReport("Converting", total, "records") as progress:
        for path, output in outputs.items():
            convert_file(path, output, converter, log, progress)
    log.finish()
    for warning in converter.warnings():
        logging.warning(warning)
    print(f"Converted {log.num_records} records to {args.to}: {args.output_dir}")


def output_paths(paths: list[str], output_dir: str) -> dict[str, str]:
    """Where the shard that is made of each file goes.

    Raises:
        UserError: two files have the same name, or a shard would replace its own source or cannot
            be written.
    """
    sources: dict[str, str] = {}
    for path in paths:
        name = os.path.basename(path)
        name = f"{name[:-3]}.tfrecord" if name.endswith(".pb") else name
        output = os.path.join(output_dir, name)
        if output in sources:
            raise UserError(
                f"{sources[output]} and {path} would both become {output}. Convert them one by "
                "one, into folders of their own."
            )
        if os.path.realpath(output) == os.path.realpath(path):
            raise UserError(f"{path} would be overwritten. Name another --output_dir.")
        files.check_output_file(output)
        sources[output] = path
    return {path: output for output, path in sources.items()}


def look(paths: list[str]) -> tuple[Schema, int]:
    """What the files hold, and about how many records.

    Raises:
        UserError: nothing can be read, or it is of no known kind.
    """
    for path in paths:
        bare = bare_record(path)
        if bare is None:
            schema = detect.detect(paths)
            reader = Reader(paths, schema, num_classes=1, batch_size=1)
            return schema, reader.estimate_num_examples()
        schema = detect.schema_of_record(bare, path)
        if schema is not None:
            return schema, len(paths)
    raise UserError(f"{paths[0]} and the files with it hold no frame that shows their features.")


def convert_file(
    path: str, output: str, converter: FrameConverter, log: ReadLog, progress: ProgressReport
) -> None:
    """Converts one file. Its shard appears when it is whole, and not if nothing can be read.

    Raises:
        UserError: a record does not fit, or the shard cannot be written.
    """
    temporary = os.path.join(os.path.dirname(output), f".tmp-{os.path.basename(output)}")
    count = 0
    try:
        with tf.io.TFRecordWriter(temporary) as writer:
            for record in read(path, log):
                writer.write(converter.convert(record, f"Record {count} of {path}"))
                count += 1
                progress.advance(1)
        if count:
            with files.writing(output):
                os.replace(temporary, output)
    except tf.errors.OpError as error:
        raise UserError(f"Cannot write {output}: {error.message.splitlines()[0]}") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)


def read(path: str, log: ReadLog) -> Iterator[bytes]:
    """The records of a file that can be read, in order; what is lost is logged.

    Raises:
        UserError: the shard is damaged, and the log was told to fail on that.
    """
    bare = bare_record(path)
    if bare is not None:
        log.num_records += 1
        yield bare
        return
    offset = count = 0
    if tfrecord.can_be_opened(path):
        for record in tf.data.TFRecordDataset(path).ignore_errors().as_numpy_iterator():
            offset += tfrecord.HEADER + len(record) + tfrecord.FOOTER
            count += 1
            yield record
    rest, go_on = log.finish_shard(path.encode(), offset, count)
    if not go_on:
        raise UserError(f"{log.failure} (--on_corrupt_shard=fail).")
    yield from rest


def bare_record(path: str) -> bytes | None:
    """The content of a file that is one tf.SequenceExample; None of any other file."""
    if not tfrecord.can_be_opened(path):
        return None
    with tf.io.gfile.GFile(path, "rb") as file:
        head = file.read(tfrecord.HEADER)
        if not head or tfrecord.has_valid_header(head):
            return None
        content = head + file.read()
    example = tf.train.SequenceExample()
    try:
        example.ParseFromString(content)
    except Exception:  # noqa: BLE001  protobuf's DecodeError lives in no public module
        return None
    return content if example.feature_lists.feature_list else None


if __name__ == "__main__":
    jobs.run(define_flags, main)
