"""Numbers and words from the rows of scripts, as the rules need them."""
import numpy as np
import scipy

from gradnets import summaries
from ledger.verdicts import NotMeasured


class Row(dict):
    """A row whose missing keys say that a claim cannot be judged."""

    def __missing__(self, key):
        raise NotMeasured(f"there is no {key}")


def pick(rows, **values):
    """Return the rows that have these values; raise NotMeasured if there is none."""
    picked = [row for row in rows if all(row.get(key) == value for key, value in values.items())]
    if not picked:
        raise NotMeasured("no run has " + ", ".join(f"{key} {value}" for key, value in values.items()))
    return picked


def column(rows, key):
    """Return one quantity of all rows, float64 (rows,); raise NotMeasured without rows."""
    if not rows:
        raise NotMeasured("every run is degenerate")
    return np.array([row[key] for row in rows], dtype=float)


# ---- numbers with their intervals, as the ledger holds them: value, value_low, value_high ----------------

def spread(values):
    """Return the median and the middle 90 % of values."""
    return summaries.median_intervals(value=values)


def sample(rows, key):
    """Return the median and the middle 90 % of one quantity over rows."""
    return spread(column(rows, key))


def of_row(row, key):
    """Return one quantity of a script's row, with the interval that stands in the row."""
    return {"value" + end: row[key + end] for end in ("", "_low", "_high")}


def share(count, total):
    """Return a share, with its exact (Clopper-Pearson) 90 % interval."""
    low, high = scipy.stats.binomtest(int(count), int(total)).proportion_ci(0.9)
    return {"value": count / total, "value_low": low, "value_high": high}


# ---- tests ------------------------------------------------------------------------------------------------

def atypical(value, sample):
    """Return whether a value differs from a sample, by a two-sided rank test at 5 %.

    Raises NotMeasured if the value is beyond all values of a sample below 40, which is too small for such a test.
    """
    outside = min(np.count_nonzero(sample >= value), np.count_nonzero(sample <= value))
    if outside == 0 and len(sample) < 40:
        raise NotMeasured(f"{value:g} is beyond all of {len(sample)} runs, too few for a test at 5 %")
    return 2 * (outside + 1) / (len(sample) + 1) < 0.05


def more_often(share, reference):
    """Return whether a share, (count, total), is larger than a reference share, by Fisher's exact test at 1 %."""
    table = [[count, total - count] for count, total in (share, reference)]
    return scipy.stats.fisher_exact(table, alternative="greater").pvalue < 0.01


# ---- words ------------------------------------------------------------------------------------------------

def in_words(number, digits=3):
    """Return a number and its interval in words."""
    value, low, high = (f"{number['value' + end]:.{digits}g}" for end in ("", "_low", "_high"))
    return value if low == high else f"{value} ({low} to {high})"


def each_in_words(template, rows, key):
    """Return a sentence for each row, from rows by name: "On {name} the skew is {value}"."""
    return " ".join(template.format(name=name, value=brief(row[key])) + "." for name, row in rows.items())


def brief(value):
    """Return a number with three digits."""
    return f"{value:.3g}"


def percent(share):
    """Return a share as a percentage."""
    return f"{100 * share:.0f} %"


def any_of(names):
    """Return different names with "or" between them."""
    return " or ".join(dict.fromkeys(names))


def without(rows, name):
    """Return rows by name, without one of these."""
    return {other: row for other, row in rows.items() if other != name}
