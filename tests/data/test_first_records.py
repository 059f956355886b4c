"""What is looked at before the work: whether the first records fit and have labels."""

import pytest
from shard_files import make_reader, video, write

from yt8m.base.errors import UserError
from yt8m.data import first_records


@pytest.mark.parametrize(
    ("unlabelled", "expected"), [(0, True), (70, True), (1023, True), (1024, False)]
)
def test_a_label_is_looked_for_in_the_first_thousand(unlabelled, expected, tmp_path):
    paths = [
        write(tmp_path / "a.tfrecord", [video("a", [])] * unlabelled),
        write(tmp_path / "b.tfrecord", [video("b", [3])]),
    ]
    assert first_records.are_labelled(make_reader(paths)) is expected


def test_without_a_record_nothing_is_known(tmp_path):
    paths = [write(tmp_path / "a.tfrecord", []), str(tmp_path / "gone.tfrecord")]
    assert first_records.are_labelled(make_reader(paths)) is None


def test_one_of_the_first_that_does_not_fit_is_named(tmp_path):
    path = write(tmp_path / "a.tfrecord", [video("good"), video("odd", [10])])
    with pytest.raises(UserError, match=r"Record 1 of .*a.tfrecord \(id odd\) has the label 10"):
        first_records.are_labelled(make_reader([path]))


@pytest.mark.parametrize(
    ("largest", "num_classes", "number", "warns"),
    [(11, 4716, 20, True), (11, 4716, 5, False), (240, 4716, 20, False), (11, 13, 20, False)],
)
def test_a_vocabulary_that_is_probably_another_is_said(
    largest, num_classes, number, warns, tmp_path, caplog
):
    records = [video(str(n), [n % (largest + 1)]) for n in range(number - 1)]
    path = write(tmp_path / "a.tfrecord", [*records, video("last", [largest])])
    reader = make_reader([path], num_classes=num_classes)
    first_records.warn_of_too_many_classes(reader)
    assert ("pass their number, such as --num_classes=12." in caplog.text) == warns


def test_a_later_one_that_is_no_record_is_left_to_the_reader(tmp_path):
    path = write(tmp_path / "a.tfrecord", [video("a", [])] * 64 + [b"\xff\xff", video("b")])
    assert first_records.are_labelled(make_reader([path])) is True
