"""What is said of an error of a library fits into one sentence."""

import pytest
import tensorflow as tf

from yt8m.base.errors import first_line, on_one_line


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, é and \u3000", "plain, é and \u3000"),
        ("a\nb\r\x0b\x1b[2J\x85\u2028", "a\\nb\\r\\x0b\\x1b[2J\\x85\\u2028"),
        ("\udcff", "\udcff"),  # Streams escape it.
    ],
)
def test_a_sentence_is_one_line_whatever_it_quotes(text, shown):
    assert on_one_line(text) == shown
    assert len(on_one_line(text).splitlines()) == 1


def test_of_a_long_line_the_beginning_is_said():
    assert first_line(ValueError("x" * 1000)) == "x" * 1000
    assert first_line(ValueError("x" * 5000)) == "x" * 1000 + " ..."
