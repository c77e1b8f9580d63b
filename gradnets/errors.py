"""The errors that a user can cause or meet.

Only these, and Python's own OSError and MemoryError, end a script with one line and exit status 2. Any other exception
is a fault of the code, and shows its traceback.
"""


class UserError(ValueError):
    """A mistake of the user's: the message says what arrived, what was expected, and what to do."""


class NoResult(UserError):
    """A sound question whose computation has no answer, such as a gradient that is zero everywhere.

    A sweep counts these runs beside every number; after any other error it stops.
    """


class Malformed(Exception):
    """Contents that are not what the name of their file promises; a reader makes a UserError of it, with the path."""


def one_line(error):
    """Return the message of an exception as one line of text."""
    text = " ".join(str(error).split()) or type(error).__name__
    return f"not enough memory: {text}; choose smaller sizes" if isinstance(error, MemoryError) else text
