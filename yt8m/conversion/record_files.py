"""Reads and converts files of frame-level records: shards, and files of one bare record each."""

from __future__ import annotations

import os
from collections.abc import Iterator

import tensorflow as tf

from yt8m.base import files
from yt8m.base.errors import UserError, first_line
from yt8m.base.progress import ProgressReport
from yt8m.conversion.quantized_features import FrameConverter
from yt8m.data import detect, tfrecord
from yt8m.data.read_log import ReadLog
from yt8m.data.reader import Reader
from yt8m.data.schema import Schema


def output_paths(paths: list[str], output_dir: str) -> dict[str, str]:
    """The path of the shard that is made of each file.

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
        bare = detect.bare_record(path)
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
    count = 0
    try:
        with files.scratch_path(output) as temporary:
            with tf.io.TFRecordWriter(temporary) as writer:
                for record in read(path, log):
                    writer.write(converter.convert(record, f"Record {count} of {path}"))
                    count += 1
                    progress.advance(1)
            if count:
                files.put(temporary, output)
    except tf.errors.OpError as error:
        raise UserError(f"Cannot write {output}: {first_line(error)}") from None


def read(path: str, log: ReadLog) -> Iterator[bytes]:
    """The records of a file that can be read, in order; what is lost is logged.

    Raises:
        UserError: the shard is damaged, and the log was told to fail on that.
    """
    bare = detect.bare_record(path)
    if bare is not None:
        log.num_records += 1
        yield bare
        return
    offset = count = 0
    dataset = tf.data.TFRecordDataset(tfrecord.readable(path)).ignore_errors()
    for record in tfrecord.without_autotune(dataset).as_numpy_iterator():
        offset += tfrecord.HEADER + len(record) + tfrecord.FOOTER
        count += 1
        yield record
    rest, go_on = log.finish_shard(path.encode(), offset, count)
    if not go_on:
        raise UserError(f"{log.failure} (--on_corrupt_shard=fail).")
    yield from rest
