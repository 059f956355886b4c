"""Features of others: folders of arrays, and tables in CSV and Parquet."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from tools.fuzzing import damaged_bytes
from tools.fuzzing.case import IN, OUT, Case, Dice, Target, chance, pick
from tools.fuzzing.damaged_texts import damaged_text
from tools.fuzzing.samples import Samples
from tools.fuzzing.targets import zips

_JOB = "yt8m.import_features"
_LABELS = "id,labels,group\n" + "".join(f"{n},{'ab'[n % 2]};c,g{n}\n" for n in range(4))


def _make_arrays(dice: Dice, folder: Path, samples: Samples) -> Case:
    del samples
    for number in range(4):
        frames, title = dice.random((3, 4), np.float32), dice.random(2, np.float32)
        target = io.BytesIO()
        np.savez(target, rgb=frames, title=title)
        content = target.getvalue()
        if number == 1:
            content = zips.damaged_zip(dice, content)
        (folder / IN / f"{number}.npz").write_bytes(content)
    labels = _LABELS.encode()
    if chance(dice, 0.3):
        labels = damaged_text(dice, labels)
    (folder / IN / "labels.csv").write_bytes(labels)
    flags = {"input_dir": IN, "labels_file": f"{IN}/labels.csv"}
    return _case(dice, flags, of_frames=True)


def _make_table(dice: Dice, folder: Path, samples: Samples) -> Case:
    del samples
    lines = ["id,labels,group,x_0,x_1,x_2"]
    lines += [f"{n},{'ab'[n % 2]};c,g{n},{dice.random():.3f},1e-3,-7" for n in range(12)]
    text = "\n".join(lines) + "\n"
    (folder / IN / "t.csv").write_bytes(damaged_text(dice, text.encode()))
    return _case(dice, {"input_file": f"{IN}/t.csv"}, of_frames=False)


def _make_parquet(dice: Dice, folder: Path, samples: Samples) -> Case:
    del samples
    import pyarrow as pa
    import pyarrow.parquet

    count = 12
    values = {
        "id": [str(number) for number in range(count)],
        "labels": [["a", "b"][: 1 + number % 2] for number in range(count)],
        "rgb": dice.random((count, 3, 4)).tolist(),
        "title": dice.random((count, 2)).tolist(),
    }
    target = io.BytesIO()
    compression = pick(dice, ["none", "snappy", "gzip", "zstd"])
    pa.parquet.write_table(pa.table(values), target, compression=compression, row_group_size=5)
    content = damaged_bytes.damaged(dice, target.getvalue())
    (folder / IN / "t.parquet").write_bytes(content)
    return _case(dice, {"input_file": f"{IN}/t.parquet"}, of_frames=True)


def _case(dice: Dice, flags: dict[str, object], of_frames: bool) -> Case:
    if of_frames and chance(dice, 0.3):
        flags["quantize"] = True
    if chance(dice, 0.5):
        flags["splits"] = "train:0.7,validate:0.3"
    return Case(_JOB, flags | {"output_dir": f"{OUT}/shards"})


TARGETS = {
    "arrays": Target(_make_arrays),
    "tables_of_features": Target(_make_table),
    "parquet_tables": Target(_make_parquet),
}
