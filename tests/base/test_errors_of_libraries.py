"""What is said of an error of a library fits into one sentence."""

import pytest
import tensorflow as tf

from yt8m.base.errors import first_line


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("no such thing\n  in frame 3"), "no such thing"),
        (ValueError("\n\n  begins late. "), "begins late."),
        (EOFError(), "EOFError"),
        (ValueError(" \n"), "ValueError"),
        (KeyError("no member a.npy"), "no member a.npy"),
        (KeyError(), "KeyError"),
        (tf.errors.DataLossError(None, None, "cut\n[[node]]"), "cut"),
        (tf.errors.DataLossError(None, None, ""), "DataLossError"),
    ],
    ids=repr,
)
def test_the_first_line_of_an_error_is_taken(error, expected):
    assert first_line(error) == expected
