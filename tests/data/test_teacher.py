"""A teacher's scores beside the shards: written, read and looked up by id."""

import os

import numpy as np
import pytest
import tensorflow as tf

from yt8m.base.errors import UserError
from yt8m.data.teacher import TeacherScores, sidecar_path


def write(folder, shard, ids, classes, scores, num_classes=9) -> str:
    path = sidecar_path(str(folder / shard), "big")
    made = TeacherScores.make(ids, np.array(classes), np.array(scores, "float32"), num_classes)
    made.write(path)
    return str(folder / shard)


@pytest.fixture
def shards(tmp_path) -> list[str]:
    """Two shards; the second has shorter lists, an id of the first, and one that is no text."""
    return [
        write(tmp_path, "a", [b"-one", b"NA"], [[3, 1, 0], [8, 2, 5]], [[1, 0.5, 0.25]] * 2),
        write(tmp_path, "b", [b"\xff\x00", b"NA"], [[4], [0]], [[0.75], [0.125]]),
    ]


def test_scores_are_found_by_id_in_any_order(shards):
    teacher = TeacherScores.read(shards, "big", 9)
    ids = np.array([b"NA", b"nobody", b"\xff\x00", b"-one"], object)
    classes, scores = teacher.look_up(ids)
    assert classes.dtype == np.int32 and scores.dtype == np.float32
    np.testing.assert_array_equal(classes, [[8, 2, 5], [-1, -1, -1], [4, -1, -1], [3, 1, 0]])
    expected = [[1, 0.5, 0.25], [0, 0, 0], [0.75, 0, 0], [1, 0.5, 0.25]]
    np.testing.assert_array_equal(scores, expected)


def test_a_batch_of_the_reader_gets_them(shards):
    teacher = TeacherScores.read(shards, "big", 9)
    dataset = tf.data.Dataset.from_tensors({"ids": tf.constant([b"-one", b"x"])})
    batch = next(dataset.map(teacher.add_to).as_numpy_iterator())
    np.testing.assert_array_equal(batch["teacher_classes"], [[3, 1, 0], [-1, -1, -1]])
    np.testing.assert_array_equal(batch["teacher_scores"], [[1, 0.5, 0.25], [0, 0, 0]])


def test_the_files_may_be_in_a_folder_of_their_own(tmp_path, shards):
    folder = tmp_path / "new" / "scores"
    teacher = TeacherScores.read(shards[:1], "big", 9)
    teacher.write(sidecar_path(shards[0], "big", str(folder)))
    again = TeacherScores.read(shards[:1], "big", 9, str(folder))
    np.testing.assert_array_equal(again.scores, teacher.scores)
    assert os.listdir(folder) == ["a.big.npz"]


def test_a_video_takes_four_bytes_a_class(shards):
    teacher = TeacherScores.read(shards[:1], "big", 9)
    assert teacher.classes[0].nbytes + teacher.scores[0].nbytes == 4 * 3


def test_what_cannot_be_used_is_named(tmp_path, shards):
    with pytest.raises(UserError, match=r"There is no .*c\.big\.npz. Make the teacher's scores"):
        TeacherScores.read([*shards, str(tmp_path / "c")], "big", 9)
    with pytest.raises(UserError, match=r"a\.big\.npz is of a teacher with 9 classes.* has 10"):
        TeacherScores.read(shards, "big", 10)
    nobody = write(tmp_path, "d", [], np.zeros((0, 3), int), np.zeros((0, 3)))
    with pytest.raises(UserError, match="The teacher 'big' knows no video of the 1 shard"):
        TeacherScores.read([nobody], "big", 9)
    path = sidecar_path(shards[0], "big")
    with open(path, "rb+") as file:
        file.truncate(100)
    with pytest.raises(UserError, match=r"a\.big\.npz cannot be read as a teacher's scores"):
        TeacherScores.read(shards, "big", 9)
    with pytest.raises(UserError, match="Cannot write /dev/null/a.npz: Not a directory"):
        TeacherScores.make([], np.zeros((0, 1)), np.zeros((0, 1)), 9).write("/dev/null/a.npz")
