"""What kind of value each constant takes: a script whose constants were edited cannot say so itself.

constants.json holds the constants of the repository's scripts as they were committed; docs/generate.py writes it.
"""
import json
from pathlib import Path

from gradnets.errors import UserError

COMMITTED = Path(__file__).with_name("constants.json")
KINDS = {bool: "True or False", int: "a number", float: "a number", str: "text in quotes"}


def check(script, values):
    """Raise UserError for the first value that is not of the kind that was committed.

    Parameters
    ----------
    script : str
        Name of the script without .py; nothing is known of the constants of scripts that are not of the repository.
    values : dict
        Values by lower-case names. A tuple holds values of one kind, and a list counts as a tuple.
    """
    for name, example in json.loads(COMMITTED.read_text(encoding="utf-8")).get(script, {}).items():
        if name not in values:
            raise UserError(f"{name.upper()} of {script}.py cannot be read as a setting: expected one line with a "
                            f"plain value and its comment, such as {name.upper()} = {_literal(example)} # ...")
        if not _is_alike(values[name], example):
            raise UserError(f"{name} is {values[name]!r}: expected {_words(example)}, such as {_literal(example)}")


def _is_alike(value, example):
    if isinstance(example, list):
        items = value if isinstance(value, tuple | list) else (None,)
        return all(_is_alike(item, example[0]) for item in items) if example else isinstance(value, tuple | list)
    if isinstance(example, bool | str):
        return isinstance(value, type(example))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _words(example):
    if isinstance(example, list):
        return "several values in parentheses"
    return KINDS[type(example)]


def _literal(example):
    return repr(tuple(example) if isinstance(example, list) else example)
