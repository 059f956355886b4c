"""The error a user can mend: jobs print it as one sentence, without a traceback."""

import re
import unicodedata

_LONGEST = 1000  # Characters of what a library says.


class UserError(Exception):
    """Bad input, a bad setting or a missing file: what, where, what was received, what to do."""


def first_line(error: BaseException) -> str:
    r"""The first line of what a library says of an error; the name of its class where it is silent.

    >>> first_line(ValueError("no such thing\n  in frame 3"))
    'no such thing'
    >>> first_line(EOFError())
    'EOFError'
    """
    text = getattr(error, "message", None) or str(error)  # TensorFlow's `str` may add a trace.
    text = re.sub(r"^\{\{function_node [^}]*\}\} ", "", text)
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0])  # Its `str` has quotes around it.
    line = (text.strip().splitlines() or [type(error).__name__])[0]
    # Some quote the bytes of a damaged file.
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."


def on_one_line(text: str) -> str:
    r"""The text without line ends and control characters, each as an escape in its place.

    A sentence quotes what was received, which may be anything.

    >>> print(on_one_line("The column 'a\x0bb' is unknown."))
    The column 'a\x0bb' is unknown.
    """
    odd = ("Cc", "Zl", "Zp")
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in odd else c for c in text
    )
