"""What a sweep finds: which of its rows can be compared, which of their numbers changed, and a sentence about them."""
import math
from typing import NamedTuple

import numpy as np

from gradnets import plots
from gradnets.experiment.sweep_rows import SEEDS
from gradnets.experiment.tables import words

# ---- which rows are compared ------------------------------------------------------------------------------

def comparable_lines(rows, names, setting, values):
    """Return the rows of a sweep that can be compared: {label: its row at each value, {} where it has none}.

    These are the rows that occur at all values, except values without any result. If the setting changes the rows'
    names, as the number of steps changes the last step, the last row of each value is compared, as "last step".
    Otherwise all rows are.
    """
    lines, last = {}, [{} for _ in values]
    for row in rows:
        if row[SEEDS]:
            place = values.index(row[setting.upper()]) if setting else 0
            lines.setdefault(label_of(row, names), [{} for _ in values])[place] = last[place] = row
    ends = [row for row in last if row]
    kinds = {label_of(row, names, last=True) for row in ends}
    if len(kinds) == 1 and len({label_of(row, names) for row in ends}) > 1:
        return {kinds.pop(): last}
    return {label: line for label, line in lines.items() if sum(map(bool, line)) == len(ends)} or lines


def curves_of(lines, values):
    """Return the numbers of such lines: {column: {label: float64 (values, 3)}}.

    The three are low, median and high at each value, NaN where there is none. A number that only repeats the values of
    the sweep is given, not measured, and left out.
    """
    curves = {}
    for label, line in lines.items():
        for key in dict.fromkeys(key for row in line for key in row if key + "_low" in row):
            curve = [[row.get(key + end, np.nan) for end in ("_low", "", "_high")] for row in line]
            repeats = [row[key] == value for row, value in zip(line, values, strict=True) if key in row]
            if len(repeats) < 2 or not all(repeats) or isinstance(values[0], bool):  # a bool may equal a count
                curves.setdefault(key, {})[label] = np.array(curve, dtype=float)
    return curves


def given_lines(rows, names, setting, values, lines):
    """Return the rows that were given and not measured, such as a source's: {label: its row at each value, or {}}.

    These are the rows beside `lines` whose numbers are the same for all of several seeds.
    """
    given, measured = {}, set(lines)
    for row in rows if setting else ():
        label = label_of(row, names)
        if row[SEEDS] < 2 or any(row[key + "_low"] < row[key + "_high"] for key in row if key + "_low" in row):
            measured.add(label)
        given.setdefault(label, [{} for _ in values])[values.index(row[setting.upper()])] = row
    return {label: line for label, line in given.items() if label not in measured}


def label_of(row, names, last=False):
    """Return what names a row, in words: observed network; step 500; mnist, layer 2. With `last`: last step."""
    present = {name: row[name] for name in names if name in row}
    return ", ".join(value if isinstance(value, str) else f"last {spaced(name)}" if last
                     else f"{spaced(name)} {words(value)}" for name, value in present.items())


# ---- the finding ------------------------------------------------------------------------------------------

class Change(NamedTuple):
    """The places, in a sweep, of two values at which a number differs; the smaller value is the start."""

    start: int
    end: int


MANY = 10  # runs from which two values are compared by their medians


def compare(line, numbers, values, seeds):
    """Compare the numbers of one line of `comparable_lines` between the values of a sweep.

    A number has changed if at two values each median lies outside the interval of the other value; with fewer than
    MANY runs at a value, only if the intervals do not overlap, since medians of few runs differ by chance. With one
    seed any difference counts. Values with fewer than 2 of several runs have no interval, and are left out. Of several
    such pairs of values the change is the one between the ends of the sweep, else the largest.

    Parameters
    ----------
    line : list of dict, the row at each value
    numbers : dict, {column: float64 (values, 3)}, of `curves_of`
    seeds : int, the number of runs at each value

    Returns
    -------
    changes : dict, {column: Change}
    runs : dict, {column: numbers of runs at the values that were compared}
    """
    changes, compared = {}, {}
    for key, curve in numbers.items():
        runs = [row.get(SEEDS, 0) - row.get(key + "_missing", 0) for row in line]
        places = [k for k in range(len(values)) if runs[k] >= min(2, seeds) and np.isfinite(curve[k]).all()]
        if len(places) > 1:
            compared[key] = [runs[k] for k in places]
            pairs = [Change(*sorted((above, below), key=lambda k: values[k] if are_numbers(values) else k))
                     for above in places for below in places
                     if _is_above(curve[above], curve[below], min(runs[above], runs[below]))]
            if pairs:
                changes[key] = max(pairs, key=lambda pair: (_are_ends(pair, values),
                                                            abs(curve[pair.end, 1] - curve[pair.start, 1])))
    return changes, compared


def _is_above(upper, lower, runs):
    """Return whether a number is larger at one value than at another beyond the spread over the runs.

    upper, lower : (low, median, high); runs : int, at the value that has fewer
    """
    if runs < MANY:
        return upper[0] > lower[2]
    return upper[0] > lower[1] and upper[1] > lower[2]


def _are_ends(pair, values):
    """Return whether two values are the smallest and the largest of a sweep over numbers."""
    return are_numbers(values) and {values[pair.start], values[pair.end]} == {min(values), max(values)}


def by_chance(compared, values):
    """Return how many numbers change by chance at most, over all pairs of values.

    With seeds of their own, two values part by chance in 1 number of 3 with 2 seeds, 1 of 10 with 3, 1 of 126 with 5
    and 1 of 733 with 10. From 20 seeds on, where an interval leaves out the ends, chance is small anyway.

    compared : dict, as `compare` returns it
    """
    fewest, pairs = min(map(min, compared.values())), len(values) * (len(values) - 1) / 2
    # Of the orders in which both values' runs can stand, those in which they part; where medians are compared, the runs
    # between the two medians may stand in any order.
    parted = 2 * math.comb(fewest - 1, (fewest - 1) // 2) if fewest >= MANY else 2
    return len(compared) * min(1.0, pairs * parted / math.comb(2 * fewest, fewest))


def finding(label, line, numbers, columns, setting, values, seeds, headings=None):
    """Return what a sweep does to one line of `comparable_lines`: a sentence that fits in a title.

    columns : the numbers that the figure shows; the sentence is about the first of them that changed.
    """
    of = f" of {label}" if label else ""
    if not setting or len(values) == 1:
        key = columns[0]
        over = f"Over {line[0][SEEDS]} seeds" if line[0][SEEDS] > 1 else "In one seed"
        return _shortest_cut(f"{over}, {name}: {interval(numbers[key][0])}" if key in numbers else over
                             for name in (word(key, headings) + of, word(key, headings)))
    changes, compared = compare(line, numbers, values, seeds)
    beyond = " beyond the spread over seeds" if seeds > 1 else ", in one seed"
    swept = spaced(setting)
    if not compared:
        return _shortest_cut(f"Too few runs to compare numbers{some} at two values of {swept}" for some in (of, ""))
    changed = [key for key in columns if key in changes] or [*changes]
    if not changed:
        return _shortest_cut(f"No number{some} changed with {swept}{beyond}" for some in (of, ""))
    key = changed[0]
    start, end = changes[key]
    verb, course = _course(numbers[key][start][1], numbers[key][end][1], swept, values, start, end)
    capital, alone = word(key, headings)[0].upper() + word(key, headings)[1:], "" if seeds > 1 else ", in one seed"
    ends = f" from {words(float(numbers[key][start][1]))} to {words(float(numbers[key][end][1]))}"
    return _shortest_cut(capital + rest + alone for rest in (f"{of} {verb}{ends} {course}", f" {verb}{ends} {course}",
                                                             f" {verb} {course}", f" {verb}"))


def _course(before, after, swept, values, start, end):
    """Return the verb of a change, and in words from which value to which the sweep went."""
    verb = "rose" if after > before else "fell"
    if not are_numbers(values):
        return verb, f"from {swept} {words(values[start])} to {words(values[end])}"
    whole = _are_ends(Change(start, end), values)
    return verb, f"as {swept} rose" + ("" if whole else f" from {words(values[start])} to {words(values[end])}")


def _shortest_cut(sentences):
    """Return the first sentence that fits in a title, or the last one cut at its end."""
    sentences = list(sentences)
    return next((sentence for sentence in sentences if len(sentence) <= plots.LONGEST_TITLE),
                sentences[-1][:plots.LONGEST_TITLE])


# ---- words ------------------------------------------------------------------------------------------------

def are_numbers(values):
    """Return whether the values of a sweep have an order: numbers, and no bools."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def word(key, headings):
    """Return a column or the name of a row in words: its heading, or itself with spaces."""
    return (headings or {}).get(key, key.replace("_", " "))


def spaced(name):
    """Return a name with spaces, in lower case."""
    return name.lower().replace("_", " ")


def interval(low_median_high):
    """Return low, median and high as text: 3 (1 to 4)."""
    low, median, high = (words(float(value)) for value in low_median_high)
    return median if low == high else f"{median} ({low} to {high})"
