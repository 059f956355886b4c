"""The error a user can mend: jobs print it as one sentence, without a traceback."""


class UserError(Exception):
    """Bad input, a bad setting or a missing file: what, where, what was received, what to do."""
