"""Arrays and tables of others become records, read back with TensorFlow's protos alone."""

import gzip
import itertools
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import tensorflow as tf
from job_runner import expect_error, run_job

from yt8m.base.errors import UserError
from yt8m.conversion import feature_import
from yt8m.conversion.feature_sources import Folder, TableOfFeatures

RNG = np.random.default_rng(0)
FRAMES = {f"film{i // 2}/{i}": RNG.normal(size=(2 + i % 3, 3)).astype("float32") for i in range(8)}
LABELS = {name: ("cat", "dog; owl")[i % 2] for i, name in enumerate(FRAMES)}


def run(source, folder: Path, **changes):
    settings = {"vocabulary": None, "fractions": {}, "seed": 0, "num_shards": None}
    settings |= {"to_bytes": False} | changes
    return feature_import.run(source, str(folder), **settings)


def records(folder: Path, split: str = "videos") -> dict[str, tf.train.SequenceExample]:
    """Id -> record, of all shards of a split; a tf.Example reads as the context of one."""
    found = {}
    for path in sorted(folder.glob(f"{split}-*-of-*.tfrecord")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            example = tf.train.SequenceExample.FromString(record)
            (name,) = example.context.feature["id"].bytes_list.value
            found[name.decode()] = example
    return found


def labels(example) -> list[int]:
    return list(example.context.feature["labels"].int64_list.value)


def vector(example, name: str) -> list[float]:
    return list(example.context.feature[name].float_list.value)


def frames(example, name: str) -> list:
    lists = example.feature_lists.feature_list[name].feature
    return [list(f.float_list.value) or list(f.bytes_list.value[0]) for f in lists]


def write_arrays(folder: Path, arrays=FRAMES) -> Path:
    for name, array in arrays.items():
        path = folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)
    return folder


def write_csv(path: Path, *lines: str) -> str:
    path.write_text("\n".join([*lines, ""]))
    return str(path)


def write_labels(path: Path, extra=()) -> str:
    lines = [f"{name},{label},{name[:5]}" for name, label in LABELS.items()]
    return write_csv(path, "id,labels,group", *lines, *extra)


def test_arrays_of_frames_become_shards_of_splits(tmp_path):
    folder = write_arrays(tmp_path / "arrays")
    (folder / ".hidden.npy").write_bytes(b"")
    np.save(folder / "unlisted.npy", np.ones((2, 3)))
    result = run_job(
        "yt8m.import_features",
        input_dir=folder,
        labels_file=write_labels(tmp_path / "labels.csv", ["gone,cat,g"]),
        output_dir=tmp_path / "out",
        splits="train:0.5,validate:0.5",
        num_shards=2,
    )
    assert result.returncode == 0, result.stderr
    assert "1 video(s) have features and no line in the table; they are left out: unlisted" in (
        result.stderr
    )
    assert "1 video(s) have a line in the table and no features; they are left out: gone" in (
        result.stderr
    )
    assert result.stdout.startswith(
        "Imported 8 videos (4 in train, 4 in validate), frame-level: features"
    )
    names = ["import.json", "vocabulary.csv"]
    names += [f"{s}-0000{i}-of-00002.tfrecord" for s in ("train", "validate") for i in (0, 1)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    assert (tmp_path / "out" / "vocabulary.csv").read_text() == "Index,Name\n0,cat\n1,dog\n2,owl\n"
    assert json.loads((tmp_path / "out" / "import.json").read_text())["num_classes"] == 3
    parts = [records(tmp_path / "out", split) for split in ("train", "validate")]
    groups = [{name[:5] for name in part} for part in parts]
    assert not groups[0] & groups[1]
    assert set(parts[0]) | set(parts[1]) == set(FRAMES)
    for name, example in itertools.chain(*(part.items() for part in parts)):
        assert labels(example) == ([0] if LABELS[name] == "cat" else [1, 2])
        assert frames(example, "features") == FRAMES[name].tolist()


@pytest.mark.parametrize("axes", [1, 2])
def test_named_arrays_are_features(tmp_path, axes):
    shape = (4,) if axes == 1 else (2, 4)
    for name in ("a", "b"):
        values = {"mean_rgb": np.full(shape, 0.5), "own": np.ones(shape, "float16")}
        np.savez_compressed(tmp_path / f"{name}.npz", **values)
    summary = run(Folder(str(tmp_path), "", "unused"), tmp_path / "out")
    assert summary.schema.kind == ("video" if axes == 1 else "frame")
    assert (summary.num_classes, summary.num_unlabelled) == (0, 2)
    read = vector if axes == 1 else frames
    expected = np.full(shape, 0.5).tolist()
    assert [read(e, "mean_rgb") for e in records(tmp_path / "out").values()] == [expected] * 2
    assert not (tmp_path / "out" / "vocabulary.csv").exists()


def test_floats_of_frames_become_bytes_and_vectors_stay(tmp_path):
    values = np.array([[-2.0, 2.0, 0.408], [9.0, 1.9, -0.6]])
    np.savez(tmp_path / "a.npz", rgb=values, raw=np.uint8([[7, 8], [9, 0]]), title=[0.25])
    summary = run(Folder(str(tmp_path), "", ""), tmp_path / "out", to_bytes=True)
    (example,) = records(tmp_path / "out").values()
    assert frames(example, "rgb") == [[0, 255, 154], [255, 249, 89]]
    assert frames(example, "raw") == [[7, 8], [9, 0]]
    assert vector(example, "title") == [0.25]
    assert [f.name for f in summary.schema.video_features] == ["title"]
    (warning,) = summary.warnings
    assert warning.startswith("1 of 6 values of rgb (16.667%) lie outside [-2, 2]")


def test_a_table_of_numbered_columns(tmp_path):
    path = tmp_path / "table.csv.gz"
    text = '\ufeffid, labels,v_1,v_0,url,v_2\n001,"a, b; c",2,1,x,3\nNA,,5,4.5,y,6\n'
    path.write_bytes(gzip.compress(text.encode()))
    summary = run(TableOfFeatures(str(path)), tmp_path / "out")
    found = records(tmp_path / "out")
    assert {n: vector(e, "v") for n, e in found.items()} == {"001": [1, 2, 3], "NA": [4.5, 5, 6]}
    assert {n: labels(e) for n, e in found.items()} == {"001": [0, 1], "NA": []}
    assert (summary.num_classes, summary.num_unlabelled) == (2, 1)


def test_a_row_a_frame(tmp_path):
    rows = [f"{n},3;10,{t},{t}.5,{i}" for i, n in enumerate("ab") for t in range(3)]
    path = write_csv(tmp_path / "long.csv", "id,labels,frame,x_0,x_1", *rows)
    summary = run(TableOfFeatures(path), tmp_path / "out")
    found = records(tmp_path / "out")
    assert frames(found["b"], "x") == [[0.5, 1], [1.5, 1], [2.5, 1]]
    # Labels that are numbers are class ids.
    assert (labels(found["a"]), summary.num_classes) == ([3, 10], 11)


def test_lists_of_a_parquet_table(tmp_path):
    values = {
        "id": [7, 8],
        "labels": [["dog", "cat"], []],
        "split": ["train", "test"],
        "rgb": pa.array([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]], pa.list_(pa.list_(pa.float32()))),
        "raw": pa.array([[[1, 2]], [[3, 4], [5, 6]]], pa.list_(pa.list_(pa.uint8(), 2))),
        "title": pa.array([[0.5, 1.5], [2.5, 3.5]], pa.large_list(pa.float64())),
    }
    path = tmp_path / "table.parquet"
    pa.parquet.write_table(pa.table(values), path, row_group_size=1)
    summary = run(TableOfFeatures(str(path)), tmp_path / "out")
    (one,), (other,) = (records(tmp_path / "out", s).values() for s in ("train", "test"))
    assert (labels(one), labels(other)) == ([0, 1], [])
    assert frames(other, "rgb") == [[3, 4], [5, 6]]
    assert frames(other, "raw") == [[3, 4], [5, 6]]
    assert vector(other, "title") == [2.5, 3.5]
    assert summary.videos == {"train": 1, "test": 1}
    some = run(TableOfFeatures(str(path), ["title"]), tmp_path / "some")
    assert str(some.schema) == "video-level: title (float32[2])"


def test_a_vocabulary_decides_the_numbers(tmp_path):
    path = write_csv(tmp_path / "t.csv", "id,labels,x_0,x_1", "a,cat,1,2", "b,1,1,2")
    vocabulary = ["owl", "1", "cat"]
    run(TableOfFeatures(path), tmp_path / "out", vocabulary=vocabulary)
    assert [labels(e) for e in records(tmp_path / "out").values()] == [[2], [1]]
    with pytest.raises(UserError, match="row 1 has the label 'cat', which is none of the 1"):
        run(TableOfFeatures(path), tmp_path / "out", vocabulary=["1"])
    path = write_csv(tmp_path / "n.csv", "id,labels,x_0,x_1", "a,1,1,2", "b,2,1,2")
    run(TableOfFeatures(path), tmp_path / "out", vocabulary=["2", "1"])
    assert [labels(e) for e in records(tmp_path / "out").values()] == [[1], [0]]
    run(TableOfFeatures(path), tmp_path / "out", vocabulary=["u", "v", "w"])
    assert [labels(e) for e in records(tmp_path / "out").values()] == [[1], [2]]
    with pytest.raises(UserError, match="row 2 has the label 2.* from 0 to 1"):
        run(TableOfFeatures(path), tmp_path / "out", vocabulary=["u", "v"])
    with pytest.raises(UserError, match="two classes 'u'"):
        run(TableOfFeatures(path), tmp_path / "out", vocabulary=["u", "u"])


def nan_at(*place) -> np.ndarray:
    array = np.ones((3, 3))
    array[place] = np.nan
    return array


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (nan_at(2, 1), "NaN, infinity or .* in frame 2 of f"),
        (np.full((2, 3), 1e50), "number too large for float32 in frame 0"),
        (np.ones((2, 4)), "frames of 4 values of float32 under f, but .*a.npy has frames of 3"),
        (np.ones(3), "has 3 values of float32 under f"),
        (np.ones((2, 3), "uint8"), "frames of 3 values of uint8"),
        (np.ones((2, 3), "int64"), "f of int64"),
        (np.ones((0, 3)), "has no frame"),
        (np.ones((1, 2, 3)), r"of the shape \(1, 2, 3\)"),
        (np.array(["a", "b"]), "f of <U1"),
        (np.array([[None]]), "Python's objects"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_array_that_does_not_fit_is_named(tmp_path, array, message):
    write_arrays(tmp_path / "arrays", {"a": np.ones((2, 3))})
    np.save(tmp_path / "arrays" / "b.npy", array)
    with pytest.raises(UserError, match=f"b.npy.*{message}"):
        run(Folder(str(tmp_path / "arrays"), "", "f"), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["arrays"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.ones((2, 3)), "y": np.ones((3, 3))}, "different numbers of frames: x 2, y 3"),
        ({"x": np.ones((2, 1))}, "one value of x"),
        ({"x": np.ones(3, "uint8")}, "uint8 for the whole video"),
        ({"labels": np.ones(3)}, "a feature called 'labels'"),
        ({"a b": np.ones(3)}, "a feature called 'a b'"),
        ({}, "holds no array"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_arrays_that_no_record_can_hold(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=f"a.npz has? ?.*{message}|a.npz {message}"):
        run(Folder(str(tmp_path), "", ""), tmp_path / "out")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["id,x_0,x_1", "a,1,2", "b,1,zz"], "row 2 has 'zz' under x_1, which is no number"),
        (["id,x_0,x_1", "a,1,2", "b,1,"], "row 2 has '' under x_1"),
        (["id,x_0,x_1", "a,1,2", "b,1,inf"], "row 2 has NaN, infinity"),
        (["id,x_0,x_1", "a,1,2", "b,1,2,3"], "row 2 has 4 fields, and the first line 3"),
        (["id,x_0,x_1", "a,1,2", "a,1,2"], "row 2 has the id 'a' of .*row 1"),
        (["id,x_0,x_1", "a,1,2", ",1,2"], "row 2 has no id"),
        (["id,x_0,x_1"], "holds no rows"),
        (["id,x_0,x_2", "a,1,2"], "numbered from 0 without a gap"),
        (["id,x_1,x_2", "a,1,2"], "numbered from 0 without a gap"),
        (["id,x,y", "a,1,2"], "holds no feature"),
        (["name,x_0,x_1", "a,1,2"], "has no column id"),
        (["id,x_0,x_0", "a,1,2"], "has the column 'x_0' twice"),
        (["id,frame,x_0,x_1", "a,1,1,2", "a,1,1,2"], "row 2 is frame 1 of a, behind frame 1"),
        (["id,frame,labels,x_0,x_1", "a,0,u,1,2", "a,1,v,1,2"], "row 2 has other labels"),
        (["id,frame,x_0,x_1", "a,0,1,2", "b,0,1,2", "a,1,1,2"], "row 3 has the id 'a'"),
        (["id,group,split,x_0,x_1", "a,g,s,1,2", "b,g,t,1,2"], "group 'g' is in two splits"),
        (["id,split,x_0,x_1", "a,s,1,2", "b,,1,2"], "row 2 names no split"),
        (["id,split,x_0,x_1", "a,../s,1,2"], "cannot be part of a file name"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_row_that_does_not_fit_is_named(tmp_path, lines, message):
    path = write_csv(tmp_path / "t.csv", *lines)
    with pytest.raises(UserError, match=message):
        run(TableOfFeatures(path), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([[1.0, 2.0], None]), "row 2 has nothing under x"),
        (pa.array([[1.0, 2.0], [1.0, None]]), "row 2 has a missing value under x"),
        (pa.array([[1.0, 2.0], [1.0]]), "row 2 has 1 values of float32 under x"),
        (pa.array([[[1.0, 2.0]], [[1.0, 2.0], [3.0]]]), "row 2 has frames .* of different sizes"),
        (pa.array([[1, 2], [3, 4]]), "has x of int64"),
    ],
)
def test_a_list_that_does_not_fit_is_named(tmp_path, column, message):
    path = tmp_path / "t.parquet"
    pa.parquet.write_table(pa.table({"id": ["a", "b"], "x": column}), path)
    with pytest.raises(UserError, match=message):
        run(TableOfFeatures(str(path)), tmp_path / "out")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"Cannot read the table .*t\.parquet"):
        TableOfFeatures(str(path))


def test_a_large_table_is_read_in_parts(tmp_path):
    path, group = tmp_path / "t.parquet", 64
    vectors = RNG.normal(size=(group, 2000)).tolist()
    with pa.parquet.ParquetWriter(
        path, pa.schema({"id": "string", "x": pa.list_(pa.float64())})
    ) as w:
        for start in range(0, 20 * group, group):
            ids = [str(number) for number in range(start, start + group)]
            w.write_table(pa.table({"id": ids, "x": pa.array(vectors)}))
    before, held, count = pa.total_allocated_bytes(), 0, 0
    source = TableOfFeatures(str(path))
    for _ in source.examples({video.id: video for video in source.listed()}):
        count += 1
        held = max(held, pa.total_allocated_bytes() - before)
    assert count == 20 * group
    assert held < 5 * 8 * 2000 * group


def test_an_earlier_import_is_replaced_and_nothing_else(tmp_path):
    source = Folder(str(write_arrays(tmp_path / "arrays")), "", "f")
    for count in (3, 2):
        run(source, tmp_path / "out", num_shards=count)
        assert len(list((tmp_path / "out").glob("*.tfrecord"))) == count
    (tmp_path / "out" / "notes.txt").write_text("mine")
    expect_error(
        "yt8m.import_features",
        "only an earlier output of this job is replaced, and it holds notes.txt",
        input_dir=tmp_path / "arrays",
        output_dir=tmp_path / "out",
    )
    assert (tmp_path / "out" / "notes.txt").exists()


def test_flags_that_do_not_go_together(tmp_path):
    table = write_csv(tmp_path / "t.csv", "id,split,x_0,x_1", "a,s,1,2", "b,t,1,2")
    job, out = "yt8m.import_features", {"output_dir": tmp_path / "out"}
    expect_error(job, "Give either --input_dir", **out)
    expect_error(job, "--seed has no meaning without --splits", input_file=table, seed=1, **out)
    expect_error(job, "--labels_file has no", input_file=table, labels_file=table, **out)
    expect_error(job, "Leave out --splits", input_file=table, splits="a:0.5,b:0.5", **out)
    expect_error(job, "nothing to make bytes of", input_file=table, quantize=True, **out)
    expect_error(job, "must end in .csv", input_file=tmp_path / "t.txt", **out)
