r"""Converts the features of frame-level records: floats to YouTube-8M's bytes, or back.

    yt8m quantize_features --input_data_pattern='features/*.pb' --output_dir=shards

The job makes a shard of each shard, and of each file that holds one bare record, as MediaPipe's
YouTube-8M extractor writes them (`features.pb`). Floats, such as MediaPipe's `RGB/feature/floats`,
become bytes under `rgb`: x in [-2, 2] becomes round((x + 2) * 255/4). `--to=float32` makes floats
of bytes; converted back, they give the same bytes.

Everything else in a record stays. Where its id and its labels have MediaPipe's names, `id` and
`labels` are added. MediaPipe's features may differ in length, because a frame is taken every second
and a window of sound only where 0.96 seconds are left. They are cut to the shortest.
"""

from __future__ import annotations

from absl import flags, logging

from yt8m.base import define, jobs
from yt8m.base.progress import ProgressReport
from yt8m.conversion import record_files
from yt8m.conversion.quantized_features import FLOAT32, UINT8, FrameConverter
from yt8m.data import shard_paths
from yt8m.data.read_log import FAIL, SKIP, ReadLog


def define_flags() -> None:
    """Defines the flags of this job."""
    define.string("input_data_pattern", "Shards, or files of one record each.", required=True)
    define.path("output_dir", "Folder for the new shards, which keep the names of the old ones.")
    define.choice("to", "The type that the features get.", UINT8, [UINT8, FLOAT32])
    define.strings(
        "feature_names", "Features to convert; by default all that are of the other type.", []
    )
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
        "damaged records, warns and counts them; fail ends the job.",
        SKIP,
        [SKIP, FAIL],
    )


def main() -> None:
    """Converts as the flags say."""
    args = flags.FLAGS
    paths = shard_paths.resolve(args.input_data_pattern)
    outputs = record_files.output_paths(paths, args.output_dir)
    schema, total = record_files.look(paths)
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
            record_files.convert_file(path, output, converter, log, progress)
    log.finish()
    for warning in converter.warnings():
        logging.warning(warning)
    print(f"Converted {log.num_records} records to {args.to}: {args.output_dir}")


if __name__ == "__main__":
    jobs.run(define_flags, main)
