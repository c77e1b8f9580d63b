"""Verdicts: what a claim of the sources can be, and the rules that decide."""
from typing import NamedTuple

from gradnets.errors import UserError

HOLDS, EXPLAINED, WHERE, NOT = "holds", "holds, explained by", "holds only where", "does not hold"
NOT_MEASURED = "not measured"
KINDS = (HOLDS, EXPLAINED, WHERE, NOT, NOT_MEASURED)


class NotMeasured(UserError):
    """The rows lack what a claim is about: every run is degenerate, or a part was run with other settings."""


class Judgement(NamedTuple):
    """What a rule says of a claim.

    Attributes
    ----------
    quantity : str
        What is measured.
    number : dict of float
        value, value_low and value_high.
    n : str
        Over how many runs, nets or problems.
    context : str
        What the number is compared with.
    verdict : str
        One of KINDS, some with words that complete it.
    """

    quantity: str
    number: dict
    n: str
    context: str
    verdict: str


def first_true(*rules):
    """Return the verdict of the first rule, (condition, kind, words that complete it), whose condition is true; or NOT.
    """
    return next((" ".join(words) for condition, *words in rules if condition), NOT)


def kind_of(verdict):
    """Return the one of KINDS that a verdict is."""
    return max((kind for kind in KINDS if verdict.startswith(kind)), key=len)
