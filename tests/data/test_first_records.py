"""What is looked at before the work: whether the first records fit and have labels."""

import pytest
from shard_files import make_reader, video, write

from yt8m.base.errors import UserError


@pytest.mark.parametrize(
    ("unlabelled", "expected"), [(0, True), (70, True), (1023, True), (1024, False)]
)
def test_a_label_is_looked_for_in_the_first_thousand(unlabelled, expected, tmp_path):
    paths = [
        write(tmp_path / "a.tfrecord", [video("a", [])] * unlabelled),
        write(tmp_path / "b.tfrecord", [video("b", [3])]),
    ]
    assert make_reader(paths).first_are_labelled() is expected


def test_without_a_record_nothing_is_known(tmp_path):
    paths = [write(tmp_path / "a.tfrecord", []), str(tmp_path / "gone.tfrecord")]
    assert make_reader(paths).first_are_labelled() is None


def test_one_of_the_first_that_does_not_fit_is_named(tmp_path):
    path = write(tmp_path / "a.tfrecord", [video("good"), video("odd", [10])])
    with pytest.raises(UserError, match=r"Record 1 of .*a.tfrecord \(id odd\) has the label 10"):
        make_reader([path]).first_are_labelled()


def test_a_later_one_that_is_no_record_is_left_to_the_reader(tmp_path):
    path = write(tmp_path / "a.tfrecord", [video("a", [])] * 64 + [b"\xff\xff", video("b")])
    assert make_reader([path]).first_are_labelled() is True
