"""The figure of a sweep: one panel per number, in it one line per row of the script."""
import math
import re
from collections import Counter
from typing import NamedTuple

import numpy as np

from gradnets import plots
from gradnets.errors import UserError
from gradnets.experiment.settings import constants, path_of
from gradnets.experiment.sweep_finding import (
    are_numbers,
    by_chance,
    comparable_lines,
    compare,
    curves_of,
    finding,
    given_lines,
    label_of,
    spaced,
    word,
)
from gradnets.experiment.sweep_rows import SEEDS
from gradnets.experiment.tables import words

MOST_LINES, MOST_NAMES = len(plots.COLORS), 24  # rows in a panel: as lines over a sweep, and as dots without one
MOST_DODGED = 10                                # values at which the dots of several lines stand side by side
GROUP = 0.5                                     # width of the dots at one value, as a share of the distance of values
LEAST_DISTANCE = 0.09                           # distance of two names of values, as a share of the axis


class Drawing(NamedTuple):
    """What `draw` returns: the figure, its title, the columns of its panels, and the rows that the title is about."""

    figure: object
    finding: str
    columns: list
    rows: list


@plots.styled
def draw(script, rows, names, facts, data, columns=(), headings=None):
    """Return the Drawing of a sweep.

    Of many rows some are shown, evenly from the first to the last. The finding is about the first row, or about the
    last row where only numbers, such as steps, name the rows. Of many numbers those that the script prints are shown,
    then those that changed. A number that is the same in all rows is drawn once.

    Parameters
    ----------
    rows, names, facts, data
        As `sweep.run` returns them.
    columns : sequence of str
        The numbers that the script prints, the most important one first; all of them if empty.
    headings : dict, optional
        Words for columns and for the names of rows.
    """
    rows = _in_words(rows, names, headings or {})
    setting = facts["sweep"]["constant"] if facts["sweep"] else None
    values, seeds = facts["sweep"]["values"] if setting else [None], len(facts["seeds"])
    lines = comparable_lines(rows, names, setting, values)
    curves = curves_of(lines, values)
    labels = [label for label in lines if any(label in curve for curve in curves.values())]
    if not labels:
        raise UserError("no row of this script has a number that it measures: there is nothing to sweep")
    room = min(len(labels), MOST_LINES if len(values) > 1 else MOST_NAMES)
    shown = [labels[k] for k in np.linspace(0, len(labels) - 1, room).round().astype(int)]
    numbered = all(not isinstance(row.get(name), str) for label in shown for row in lines[label] for name in names)
    headline = shown[-1 if numbered else 0]
    line, numbers = lines[headline], {key: curve[headline] for key, curve in curves.items() if headline in curve}
    drawn = {key: {label: of_label[label] for label in shown if label in of_label} for key, of_label in curves.items()}
    chosen = _choose(drawn, columns, compare(line, numbers, values, seeds)[0])
    title = finding(headline, line, numbers, chosen, setting, values, seeds, headings)
    given = given_lines(rows, names, setting, values, lines)
    sentences = [_counts(facts), _chance(line, numbers, setting, values, seeds), _missing(rows),
                 _shown(rows, names, len(shown) + len(given))]
    caption = _source(script, setting, facts, data) + "\n" + " ".join(filter(None, sentences))
    figure, panels = _panels(chosen, values, shown, title, caption)
    colors = [*plots.shades(len(shown))] if numbered and len(shown) > 3 else plots.COLORS
    looks = dict(zip(shown, zip(colors, plots.MARKERS, strict=False), strict=False))
    for place, key in enumerate(chosen):
        panels[key].set_title(word(key, headings))
        if len(values) > 1:
            _draw_given(panels[key], key, given, values, room + 1)
            if _coincide(drawn[key]):
                label, curve = next(iter(drawn[key].items()))
                _draw_lines(panels[key], {label: curve}, values, {label: looks[label]}, slots=1)
                panels[key].set_title(f"{word(key, headings)} (the same for all)")
            else:
                _draw_lines(panels[key], drawn[key], values, looks, slots=room + bool(given))
            _name_values(panels[key], setting, values, seeds, facts["without_result"])
        else:
            _draw_dots(panels[key], drawn[key], shown, with_names=place % _across(chosen) == 0)
    if len(values) > 1:
        _draw_legend(figure, {label: looks[label] for label in shown if label}, list(given))
    return Drawing(figure, title, chosen, [row for row in line if row])


def _in_words(rows, names, headings):
    """Return the rows with their names in the words of headings, and in the order of headings."""
    order = {heading: place for place, heading in enumerate(headings)}
    rows = sorted(rows, key=lambda row: [order.get(row.get(name), len(order)) for name in names])
    return [row | {name: word(row[name], headings) if isinstance(row[name], str) else row[name]
                   for name in names if name in row} for row in rows]


def _choose(drawn, columns, changes):
    """Return the numbers that the figure shows, at most six: printed ones first, then those that changed."""
    varied = [key for key in drawn if len(np.unique(_finite(drawn[key]))) > 1] or [key for key in drawn if drawn[key]]
    changed = [key for key in varied if key in changes]
    chosen = [key for key in columns if key in varied] or [key for key in varied if key not in changed]
    chosen = list(dict.fromkeys([*chosen, *changed] if columns else [*varied]))[:plots.MOST_PANELS]
    if changed and not set(chosen) & set(changed):
        chosen[-1] = changed[0]
    return chosen


def _across(columns):
    """Return the number of panels in a row."""
    return len(columns) if len(columns) < 4 else 2 if len(columns) == 4 else 3


def _panels(columns, values, shown, title, caption):
    across, many = _across(columns), len(values) > 1
    grid = [[*columns[k:k + across], *["."] * (across - len(columns[k:k + across]))]
            for k in range(0, len(columns), across)]
    legend = 0.25 * math.ceil(len(shown) / 4) if many and shown != [""] else 0  # inches
    width = max(9, 4 * across + (0 if many else 2))
    height = (3.0 if many else 0.9 + 0.2 * len(shown)) * len(grid) + legend + 1.0
    return plots.figure(grid, width, height, title, caption)


def _draw_lines(panel, lines, values, looks, slots):
    """Draw each row: dots with bars side by side, joined if the values are numbers; of many values lines with bands."""
    side_by_side = not are_numbers(values) or (len(values) <= MOST_DODGED and slots > 1)
    order = np.argsort(values, kind="stable") if are_numbers(values) else np.arange(len(values))
    if are_numbers(values) and _are_logarithmic(values):
        panel.set_xscale("log")
    if side_by_side:  # a band behind all dots of one value
        for left, right in zip(*(_places(values, slot, 1, 1.3 * GROUP) for slot in (-0.5, 0.5)), strict=True):
            panel.axvspan(left, right, color=plots.PALE, alpha=0.45, lw=0, zorder=0)
    for label, curve in reversed(lines.items()):  # the first on top
        color, marker = looks[label]
        low, median, high = np.where(np.isfinite(curve), curve, np.nan)[order].T
        slot = slots - len(looks) + list(looks).index(label)
        at = _places(values, slot, slots)[order] if side_by_side else np.array(values)[order]
        if side_by_side:
            panel.vlines(at, low, high, color=color, lw=2.5, alpha=0.4)
        else:
            panel.fill_between(at, low, high, color=color, alpha=0.2, lw=0)
        panel.plot(at, median, marker, ls="-" if are_numbers(values) else "none", color=color, ms=4.5, lw=0.8)
    _set_scale(panel, "y", lines)


def _places(values, slot, slots, width=GROUP):
    """Return where one of several lines has its dots: side by side around each value, from slot 0 on."""
    logarithmic = are_numbers(values) and _are_logarithmic(values)
    places = np.array(values if are_numbers(values) else range(len(values)), dtype=float)
    places = np.log10(places) if logarithmic else places
    shifted = places + width * np.diff(np.sort(places)).min() * ((slot + 0.5) / slots - 0.5)
    return 10**shifted if logarithmic else shifted


def _are_logarithmic(values):
    return min(values) > 0 and max(values) > 10 * min(values)


def _draw_given(panel, key, given, values, slots):
    """Draw the numbers that were given and not measured, such as a source's, as open diamonds left of the dots."""
    for line in given.values():
        for at, row in zip(_places(values, 0, slots), line, strict=True):
            if key in row and np.isfinite(row[key]):
                plots.draw_source(panel, at, row[key])


def _name_values(panel, setting, values, seeds, lost_runs):
    """Write the values below the panel, with the number of runs that have a result where some have none."""
    lost = Counter(words(run["value"]) for run in lost_runs)
    ticks = [words(value) + (f"\nn = {seeds - lost[words(value)]}" if lost else "") for value in values]
    places, named = _places(values, 0, 1), []
    axis = panel.transData.transform(np.stack([places, places * 0 + panel.get_ylim()[0]], axis=1))[:, 0]
    for k in np.argsort(axis, kind="stable"):
        if not named or axis[k] - axis[named[-1]] > LEAST_DISTANCE * np.ptp(axis):
            named.append(k)
    panel.set_xticks(places[named], [ticks[k] for k in named], fontsize=8)
    panel.minorticks_off()
    panel.set_xlabel(spaced(setting))
    if not are_numbers(values):
        panel.set_xlim(-0.5, len(values) - 0.5)


def _draw_legend(figure, looks, given):
    """Name the lines below the panels, each with its color and its marker."""
    from matplotlib.lines import Line2D
    handles = [Line2D([], [], color=color, marker=marker, ms=5, lw=1.2, label=label)
               for label, (color, marker) in looks.items()]
    handles += [Line2D([], [], color=plots.INK, marker="D", mfc="white", ls="none", label=label) for label in given]
    if handles:
        figure.legend(handles=handles, loc="outside lower left", ncols=min(4, len(handles)), fontsize=9)


def _draw_dots(panel, lines, shown, with_names):
    for label, curve in lines.items():
        (low, median, high), place = np.where(np.isfinite(curve), curve, np.nan)[0], shown.index(label)
        panel.plot([low, high], [place, place], color=plots.INK, lw=4, alpha=0.3, solid_capstyle="round")
        panel.plot(median, place, "o", color=plots.INK, ms=5)
    panel.set(yticks=range(len(shown)), yticklabels=shown if with_names else [], ylim=(len(shown) - 0.5, -0.5))
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="y", color=plots.PALE, lw=0.6)
    panel.set_axisbelow(True)
    _set_scale(panel, "x", lines)


def _coincide(lines):
    """Return whether several lines of a panel lie on each other, to 2 % of its height."""
    curves = np.array(list(lines.values()))
    if _has_many_sizes(_finite(lines)):
        curves = np.log(curves)
    finite = curves[np.isfinite(curves)]
    same = np.isfinite(curves) == np.isfinite(curves[:1])
    return len(lines) > 1 and same.all() and len(finite) > 0 and bool(
        (np.abs(np.nan_to_num(curves - curves[:1], posinf=0, neginf=0)) <= 0.02 * np.ptp(finite)).all())


def _has_many_sizes(numbers):
    """Return whether numbers are positive and of many sizes, which need a logarithmic scale."""
    return len(numbers) > 0 and numbers.min() > 0 and numbers.max() > 100 * numbers.min()


def _set_scale(panel, axis, lines):
    """Choose a logarithmic scale for positive numbers of many sizes, and few ticks on a linear one."""
    from matplotlib.ticker import FuncFormatter
    finite = _finite(lines)
    if _has_many_sizes(finite):
        panel.set(**{f"{axis}scale": "log"})
        return
    panel.locator_params(axis=axis, nbins=5)
    if len(finite) and np.abs(finite).max() >= 1000:
        getattr(panel, f"{axis}axis").set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


# ---- the caption ------------------------------------------------------------------------------------------

def _source(script, setting, facts, data):
    """Return what was run: the script, its data, and the settings that are not the script's own."""
    read = list(dict.fromkeys(entry["name"] for entry in data))
    defaults = {name.lower(): value for name, (value, _) in constants(path_of(script)).items()}
    swept = setting if setting and len(facts["sweep"]["values"]) > 1 else None
    changed = [f"{spaced(name)} {words(value)}" for name, value in facts["settings"].items()
               if name not in ("seed", swept) and words(value) not in (words(defaults[name]), " ".join(read), "")]
    seeds = facts["seeds"]
    if len(seeds) > 1:
        spacing = f" in steps of {seeds[1] - seeds[0]}" if seeds[1] - seeds[0] > 1 else ""
        spread = f"medians and middle 90 % over n = {len(seeds)} seeds, {seeds[0]} to {seeds[-1]}{spacing}."
    else:
        spread = "n = 1 run." if seeds == [None] else f"n = 1 seed, {seeds[0]}."
    return (f"{script}.py" + (f" on {', '.join(read)}" if read else "") + ", "
            + (f"{', '.join(changed)}, " if changed else "") + f"other settings as in the script; {spread}")


def _counts(facts):
    """Return what a number of one seed is, and how many runs have no result."""
    runs, seeds, text = facts["settings"].get("runs", 1), len(facts["seeds"]), ""
    if seeds > 1 and runs != 1:
        text = f"Each seed's number is one of {words(runs)} runs, mostly a median: single runs differ more."
    lost = Counter(words(run["value"]) for run in facts["without_result"])
    if not lost:
        return text
    several = facts["sweep"] and len(facts["sweep"]["values"]) > 1
    where = ", ".join(f"{count} of {seeds}" + (f" at {value}" if several else "") for value, count in lost.items())
    kinds = sorted({_as_words(run["ended"].split(":")[0]) for run in facts["without_result"]})
    return f"{text} Without a result: {where} ({', '.join(kinds)})".strip() + "."


def _missing(rows):
    """Return how many numbers are missing."""
    missing = Counter()
    for row in rows:
        missing.update({key: row[key + "_missing"] for key in row if key + "_missing" in row})
    listed = ", ".join([*map(spaced, missing)][:3] + ["and others"] * (len(missing) > 3))
    return f"{missing.total()} numbers are missing or NaN ({listed})." if missing else ""


def _chance(line, numbers, setting, values, seeds):
    """Return a warning if numbers of a line may well have changed by chance, or an empty string."""
    if not setting or len(values) == 1:
        return ""
    changes, compared = compare(line, numbers, values, seeds)
    if not changes:
        return ""
    if seeds == 1:
        return "In one seed, numbers may change by chance."
    chance = by_chance(compared, values)
    return "" if chance < max(0.1 * len(changes), 0.1) else (
        f"By chance alone at most {chance:.2g} of {plots.counted(len(compared), 'number')} would change; "
        f"{len(changes)} did.")


def _shown(rows, names, shown):
    """Return how many rows the figure shows."""
    everything = len({label_of(row, names) for row in rows if row[SEEDS]})
    return f"Shown: {shown} of {everything} rows." if shown < everything else ""


def _finite(lines):
    """Return all finite numbers of some curves."""
    numbers = np.array(list(lines.values()))
    return numbers[np.isfinite(numbers)]


def _as_words(name):
    """Return the name of a class in words: degenerate matrix for DegenerateMatrix."""
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", name).lower()
