"""Parts of a video in seconds: what they are called, and which of them overlap."""

import math

import numpy as np
import pytest

from yt8m.data.video import spans
from yt8m.data.video.frames.timeline import Timeline
from yt8m.data.video.spans import Span


@pytest.mark.parametrize(("span", "fragment"), [
    (Span(1.5, 12.0), "#t=1.5,12"),
    (Span(None, 12), "#t=,12"),
    (Span(0.1), "#t=0.1"),
    (Span(-0.0, 1e-7), "#t=0,0.0000001"),
    (Span(100000.25, 1e6), "#t=100000.25,1000000"),
])  # fmt: skip
def test_the_name_of_a_part_is_as_short_as_it_can_be(span, fragment):
    assert span.fragment == fragment


@pytest.mark.parametrize("values", [
    (-1, 2), (3, 3), (3, 2), (math.nan, 2), (1, math.nan), (1, math.inf), (None, 0), (0, 0.0),
])  # fmt: skip
def test_what_is_no_part_is_refused(values):
    with pytest.raises(ValueError, match="Received"):
        Span(*values)


def test_parts_that_are_one_are_known_however_they_are_written():
    assert Span(0, 5).key == Span(None, 5.0).key != Span(0).key
    assert (Span(2, 5).middle, Span(None, 5).middle, Span(7).middle) == (3.5, 2.5, 7)


@pytest.mark.parametrize("text", ["1_0", "x", "1,5", "--1"])
def test_seconds_are_plain_numbers(text):
    with pytest.raises(ValueError):
        spans.parse_seconds(text)


def test_labels_at_a_middle_are_those_of_the_parts_around_it():
    random = np.random.default_rng(0)
    for count in (1, 2, 30):
        starts = random.integers(0, 20, count)
        ends = starts + random.integers(1, 9, count)
        parts = [
            Span(float(start), None if random.random() < 0.2 else float(end))
            for start, end in zip(starts, ends, strict=True)
        ]
        labels = [(f"a{i}", f"b{i}") for i in range(count)]
        found = dict(spans.labels_at_middles(parts, labels))
        for number, part in enumerate(parts):
            expected = [
                label
                for other, own in zip(parts, labels, strict=True)
                if other is not part and other.key[0] <= part.middle < other.key[1]
                for label in own
            ]
            assert sorted(found[number]) == sorted(expected)
        assert len(found) == count


def test_the_frames_of_a_part_are_those_on_screen():
    """Frames at 0, 1, 4 and 4.5 seconds, the last until 6."""
    timeline = Timeline(np.array([0.0, 1.0, 4.0, 4.5]), 6.0)
    expected = {
        (0, 1): (0, 1),
        (0, 1.5): (0, 2),
        (2, 3): (1, 2),  # Nothing begins there, and the second frame is shown.
        (3.9995, 4.2): (2, 3),  # Files round to milliseconds.
        (1, 4.0005): (1, 2),
        (1, 4.0015): (1, 3),
        (None, None): (0, 4),
        (4, 99): (2, 4),
        (5.9, 7): (3, 4),
        (5.999, 7): (0, 0),
        (6, 7): (0, 0),
        (7, None): (0, 0),
    }
    assert {key: timeline.frames(Span(*key)) for key in expected} == expected
