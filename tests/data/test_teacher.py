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


def of_three(**changes) -> dict[str, np.ndarray]:
    """What a teacher's file of three videos holds, with some changes."""
    good = {
        "ids": np.array([1, 2, 3], np.uint64),
        "classes": np.array([[0, 8], [3, -1], [-1, -1]], np.int16),
        "scores": np.array([[1, 0], [0.5, 0], [0, 0]], np.float16),
        "num_classes": np.array(9),
    }
    return good | changes


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"ids": np.array([1, 2], np.uint64)}, r"do not fit each other: ids uint64\[2\], classes"),
        ({"classes": np.zeros((2, 2), int)}, "do not fit each other"),
        ({"scores": np.zeros((3, 1))}, "do not fit each other"),
        ({"classes": np.array([[0, 9]] * 3)}, "names class 9, outside 0 to 8 and -1 for none"),
        ({"classes": np.array([[0, -2]] * 3)}, "names class -2, outside"),
        ({"classes": np.array([[4, 4]] * 3)}, "names a class of a video twice"),
        ({"classes": np.zeros((3, 2))}, r"classes float64\[3, 2\].* classes integers"),
        ({"classes": np.zeros(3, int)}, "not a row of classes and of scores for each id"),
        ({"scores": np.zeros(3)}, "not a row"),
        ({"classes": np.zeros((3, 0), int), "scores": np.zeros((3, 0))}, "not a row"),
        ({"scores": np.full((3, 2), 1.5)}, "the score 1.5, which is not from 0 to 1"),
        ({"scores": np.full((3, 2), -0.5)}, "the score -0.5"),
        ({"scores": np.full((3, 2), np.nan)}, "the score nan"),
        ({"scores": np.full((3, 2), "x")}, "scores floats"),
        ({"ids": np.array([1, 3, 2], np.uint64)}, "ids are not in ascending order"),
        ({"ids": np.array([1, 2, 2], np.uint64)}, "each once"),
        ({"ids": np.array(["a", "b", "c"])}, "ids are uint64"),
        ({"ids": np.array([b"a", None, {}], object)}, "Python's objects, which are not loaded"),
        ({"num_classes": np.array([9, 9])}, "not a row"),
        ({"num_classes": np.array("nine")}, "num_classes must be an integer"),
        ({"num_classes": np.array(9.0)}, "num_classes must be an integer"),
    ],
    ids=str,
)
def test_a_file_that_no_teacher_wrote_is_refused(changes, part, tmp_path):
    np.savez(tmp_path / "a.big.npz", **of_three())
    assert len(TeacherScores.read([str(tmp_path / "a")], "big", 9).ids) == 3
    np.savez(tmp_path / "a.big.npz", **of_three(**changes))
    with pytest.raises(UserError, match=rf"a\.big\.npz cannot be read as .*{part}"):
        TeacherScores.read([str(tmp_path / "a")], "big", 9)
