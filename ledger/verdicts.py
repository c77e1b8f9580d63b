"""Verdicts: what a claim of the sources can be, and the rules that decide."""
from typing import NamedTuple

from gradnets.errors import UserError

HOLDS, EXPLAINED, WHERE, NOT = "holds", "holds, explained by", "holds only", "does not hold"
NOT_MEASURED = "not measured"
KINDS = {  # in words for readers who have not met the rules
    HOLDS: "holds",
    EXPLAINED: "holds for a simpler reason",
    WHERE: "holds in places",
    NOT: "fails",
    NOT_MEASURED: "open",
}
MARKS = {HOLDS: "●", EXPLAINED: "■", WHERE: "◐", NOT: "✗", NOT_MEASURED: "–"}


class NotMeasured(UserError):
    """The rows lack what a claim is about: every run is degenerate, or a part was run with other settings."""


class Claim(NamedTuple):
    """What a source says.

    Attributes
    ----------
    name : str
        A few words that name the claim among all others.
    statement : str
        The claim as a sentence, without its full stop.
    source : str
        The source's numbers, or how else it states the claim.
    source_value : float or None
        The source's number, where there is one.
    axis : str
        The kind of quantity that is measured. Claims of one kind share an axis.
    criterion : str
        When the claim counts as true, with every threshold, as a sentence without its full stop.
    rule : function of the rows of all parts that returns a Judgement
    """

    name: str
    statement: str
    source: str
    source_value: float | None
    axis: str
    criterion: str
    rule: object


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
        Sentences on what the number is compared with.
    verdict : str
        One of KINDS, some with words that complete it.
    comparison : dict of float and str
        Further columns of the claim's row: what the functions of ledger.comparisons return.
    """

    quantity: str
    number: dict
    n: str
    context: str
    verdict: str
    comparison: dict


def first_true(*rules):
    """Return the verdict of the first rule, (condition, kind, words that complete it), whose condition is true; or NOT.
    """
    return next((" ".join(words) for condition, *words in rules if condition), NOT)


def kind_of(verdict):
    """Return the one of KINDS that a verdict is."""
    return max((kind for kind in KINDS if verdict.startswith(kind)), key=len)


def count_in_words(count, kind):
    """Return how many claims have a kind of verdict, such as "1 holds in places"."""
    words = KINDS[kind]
    return f"{count} {words if count == 1 else words.replace('holds', 'hold').replace('fails', 'fail')}"
