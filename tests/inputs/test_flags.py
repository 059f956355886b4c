"""What the flags that several jobs have say."""

import pytest

from yt8m.base.errors import UserError
from yt8m.inputs.flags import parse_weights


@pytest.mark.parametrize(
    ("texts", "part"),
    [
        (["1"], r"1 \(1\) for 2 files \(a, b\)"),
        ([], r"0 \(\) for 2 files"),
        (["1", "x"], "takes numbers. Received: 1,x"),
        (["1", "-1"], "not negative. Received: 1,-1"),
        (["1", "nan"], "finite"),
        (["inf", "1"], "finite"),
        (["0", "0"], "all be 0"),
    ],
)
def test_weights_that_cannot_be_are_refused(texts, part):
    with pytest.raises(UserError, match=part):
        parse_weights(texts, ["a", "b"])


def test_weights_are_parsed_and_scaled():
    assert parse_weights(None, ["a", "b"]).tolist() == [1, 1]
    assert parse_weights(["0.25", " 0.5"], ["a", "b"]).tolist() == [0.5, 1]
