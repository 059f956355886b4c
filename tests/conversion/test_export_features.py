"""Shards become Parquet, and the same shards again."""

import numpy as np
import pyarrow.parquet
from job_runner import expect_error, run_job, succeed
from shard_files import frames, sequence, video, write

JOB = "yt8m.export_features"


def rows(path) -> list[dict]:
    return pyarrow.parquet.read_table(path).to_pylist()


def test_frames_become_lists_of_lists_of_bytes(tmp_path):
    records = [frames("a", 2, [3]), frames("b", 0, []), frames("a", 1, [1]), frames("c", 3, [1, 0])]
    pattern, path = write(tmp_path / "s.tfrecord", records), tmp_path / "t.parquet"
    (tmp_path / "v.csv").write_text("Index,Name\n0,zero\n1,one\n2,two\n3,three\n")
    flags = {"vocabulary_file": tmp_path / "v.csv", "batch_size": 2}
    result = run_job(JOB, input_data_pattern=pattern, output_file=path, **flags)
    assert "Exported 3 videos" in result.stdout
    assert "1 records have the id of an earlier one" in result.stderr
    found = {row["id"]: row for row in rows(path)}
    assert list(found) == ["a", "b", "c"]
    assert [found[name]["labels"] for name in "abc"] == [[3], [], [1, 0]]
    assert [found[n]["label_names"] for n in "abc"] == [["three"], [], ["one", "zero"]]
    assert found["a"]["rgb"] == [[1] * 4, [2] * 4]
    assert found["b"]["audio"] == []
    assert found["c"]["audio"] == [[101] * 2, [102] * 2, [103] * 2]
    file = pyarrow.parquet.ParquetFile(path)
    assert str(file.schema_arrow.field("rgb").type) == "list<element: list<element: uint8>>"
    assert file.num_row_groups == 2


def test_what_is_exported_is_imported_again(tmp_path):
    title = np.float32([0.25, -1.5]).tolist()
    records = [
        sequence({"x": [[0.5, t] for t in range(n)]}, id=[b"%d" % n], labels=[n], title=title)
        for n in (1, 2, 3)
    ]
    pattern, path = write(tmp_path / "s.tfrecord", records), tmp_path / "t.parquet"
    flags = {"video_feature_names": "title"}
    succeed(JOB, input_data_pattern=pattern, output_file=path, **flags)
    assert rows(path)[1]["title"] == title
    succeed("yt8m.import_features", input_file=path, output_dir=tmp_path / "out")
    again = tmp_path / "again.parquet"
    pattern = tmp_path / "out" / "videos-*"
    succeed(JOB, input_data_pattern=pattern, output_file=again, **flags)
    assert rows(again) == rows(path)


def test_vectors_of_videos(tmp_path):
    pattern = write(tmp_path / "s.tfrecord", [video("a", [1], 0.5)])
    path = tmp_path / "t.parquet"
    succeed(JOB, input_data_pattern=pattern, output_file=path, feature_names="mean_audio")
    assert rows(path) == [{"id": "a", "labels": [1], "mean_audio": [-0.5, -0.5]}]


def test_what_no_table_can_hold_is_named(tmp_path):
    path = tmp_path / "t.parquet"
    record = sequence({"rgb": [b"ab"]}, id=[b"\xff"], labels=[1])
    flags = {"input_data_pattern": write(tmp_path / "s.tfrecord", [record])}
    expect_error(JOB, "bytes that are no UTF-8", output_file=path, **flags)
    expect_error(JOB, "must end in .parquet", output_file=tmp_path / "t.csv", **flags)
    (tmp_path / "v.csv").write_text("Index,Name\n0,zero\n")
    given = {"vocabulary_file": tmp_path / "v.csv", "output_file": path}
    expect_error(JOB, "the label 1, outside the vocabulary of 1", **given, **flags)
    assert not path.exists()
