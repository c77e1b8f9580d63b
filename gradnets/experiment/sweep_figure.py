"""What a sweep finds, as a sentence and as a figure: a panel a number, in it a line with its band for each row."""
import math
from collections import Counter

import numpy as np

from gradnets import plots
from gradnets.errors import UserError
from gradnets.experiment.sweep_rows import SEEDS
from gradnets.experiment.tables import words

MOST_PANELS, MOST_LINES, MOST_NAMES = 12, 8, 24
COLORS = (plots.RED, plots.INK, plots.BLUE, "#b58a2a", "#4d8b57", "#8a5fa8", plots.GREY, "#c77fa0")


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


def label_of(row, names, last=False):
    """Return what names a row, in words: observed network; step 500; mnist, layer 2. With `last`: last step."""
    present = {name: row[name] for name in names if name in row}
    return ", ".join(value if isinstance(value, str) else f"last {_spaced(name)}" if last
                     else f"{_spaced(name)} {words(value)}" for name, value in present.items())


# ---- the finding ------------------------------------------------------------------------------------------

def finding(label, line, setting, values, seeds):
    """Return what the sweep does to one line of `comparable_lines`, as a sentence.

    A number has changed if its intervals at two values do not overlap. With seeds of their own, two values differ so by
    chance in 1 number of 3 with 2 seeds, 1 of 10 with 3 and 1 of 126 with 5; the sentence says how many numbers chance
    makes over all pairs of values, at most. With one seed any difference counts. Values with fewer than 2 of several
    runs have no interval, and are left out.

    seeds : int, the number of runs at each value
    """
    numbers = {key: curve[label] for key, curve in curves_of({label: line}, values).items()}
    kind = f"numbers of {label}" if label else "numbers"
    if not setting or len(values) == 1:
        varied = [key for key, curve in numbers.items() if curve[0, 0] < curve[0, 2]] or [*numbers]
        over = f"Over {line[0][SEEDS]} seeds" if line[0][SEEDS] > 1 else "Of one seed"
        listed = ", ".join(f"{_spaced(key)} {_interval(numbers[key][0])}" for key in varied[:3])
        return f"{over}{label and ', ' + label}: {listed}"
    changes, counts = [], []
    for key, curve in numbers.items():
        runs = [row.get(SEEDS, 0) - row.get(key + "_missing", 0) for row in line]
        places = [k for k in range(len(values)) if runs[k] >= min(2, seeds) and np.isfinite(curve[k]).all()]
        if len(places) > 1:
            counts.append([runs[k] for k in places])
            above, below = max(places, key=lambda k: curve[k, 0]), min(places, key=lambda k: curve[k, 2])
            if curve[above, 0] > curve[below, 2]:
                ends = sorted((above, below))
                course = " to ".join(f"{_interval(curve[k])} at {words(values[k])}" for k in ends)
                alike = seeds > 1 and all(curve[k, 0] == curve[k, 2] for k in ends)
                changes.append(f"{_spaced(key)} from {course}" + (", each without spread" if alike else ""))
    if not counts:
        return f"With {_spaced(setting)}, nothing can be compared: too few runs have the same {kind} at two values"
    fewest, most = min(map(min, counts)), max(map(max, counts))
    beyond = (f" beyond the spread over {fewest if fewest == most else f'{fewest} to {most}'} seeds" if seeds > 1 else
              ", of one seed, perhaps by chance")
    pairs = len(values) * (len(values) - 1) / 2
    by_chance = len(counts) * min(1.0, pairs * 2 / math.comb(2 * fewest, fewest))
    beyond += f" ({by_chance:.2g} at most by chance)" if seeds > 1 and changes and by_chance >= 0.1 else ""
    example = f"{', such as' if len(changes) > 1 else ':'} {changes[0]}" if changes else ""
    return f"With {_spaced(setting)}, {len(changes) or 'none'} of {len(counts)} {kind} changed{beyond}{example}"


# ---- the figure -------------------------------------------------------------------------------------------

@plots.styled
def draw(script, rows, names, facts, data):
    """Return the figure of a sweep, and its finding.

    Of many rows some are shown, evenly from the first to the last. The finding is about the first row, or about the
    last row where only numbers, such as steps, name the rows.

    rows, names, facts, data : as `sweep.run` returns them
    """
    setting = facts["sweep"]["constant"] if facts["sweep"] else None
    values = facts["sweep"]["values"] if setting else [None]
    lines = comparable_lines(rows, names, setting, values)
    curves = curves_of(lines, values)
    labels = [label for label in lines if any(label in curve for curve in curves.values())]
    if not labels:
        raise UserError("no row of this script has a number that it measures: there is nothing to sweep")
    room = min(len(labels), MOST_LINES if len(values) > 1 else MOST_NAMES)
    shown = [labels[k] for k in np.linspace(0, len(labels) - 1, room).round().astype(int)]
    drawn = {key: {label: of_label[label] for label in shown if label in of_label} for key, of_label in curves.items()}
    varied = [key for key, of_label in drawn.items() if len(np.unique(_finite(of_label))) > 1]
    columns = (varied or [key for key in drawn if drawn[key]])[:MOST_PANELS]
    numbered = all(not isinstance(row.get(name), str) for label in shown for row in lines[label] for name in names)
    colors = dict(zip(shown, plots.shades(len(shown)) if numbered and len(shown) > 3 else COLORS * 3, strict=False))
    headline = shown[-1 if numbered else 0]
    title = finding(headline, lines[headline], setting, values, len(facts["seeds"]))
    caption = _caption(script, rows, setting, facts, data) + _left_out(rows, names, curves, drawn, columns, shown)
    figure, panels = _panels(columns, values, shown, title, caption)
    across = _across(columns)
    for place, key in enumerate(columns):
        panels[key].set_title(key.replace("_", " "))
        if len(values) > 1:
            _draw_lines(panels[key], drawn[key], values, colors, facts["without_result"])
            panels[key].set_xlabel(_spaced(setting) if place >= len(columns) - across else "")
        else:
            _draw_dots(panels[key], drawn[key], shown, with_names=place % across == 0)
    if len(values) > 1 and shown != [""]:
        from matplotlib.lines import Line2D
        handles = [Line2D([], [], color=colors[label], lw=2, label=label) for label in shown]
        figure.legend(handles=handles, loc="outside lower left", ncols=min(3, len(shown)), fontsize=9)
    return figure, title


def _across(columns):
    """Return the number of panels in a row."""
    return len(columns) if len(columns) < 5 else 3 if len(columns) in (5, 6, 9) else 4


def _panels(columns, values, shown, title, caption):
    across, many = _across(columns), len(values) > 1
    grid = [[*columns[k:k + across], *["."] * (across - len(columns[k:k + across]))]
            for k in range(0, len(columns), across)]
    legend = 0.25 * math.ceil(len(shown) / 3) if many and shown != [""] else 0  # inches
    width = max(8, 3 * across + (0 if many else 2))
    height = (2.4 if many else 0.9 + 0.2 * len(shown)) * len(grid) + legend + 0.9 + 0.16 * len(caption) / (15 * width)
    return plots.figure(grid, width, height, title, caption)


def _draw_lines(panel, lines, values, colors, lost_runs):
    """Draw a line with its band for each row if the values are numbers, and dots with bars side by side otherwise."""
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    places = np.array(values if numeric else range(len(values)), dtype=float)
    order = np.argsort(places, kind="stable")
    if numeric and places.min() > 0 and places.max() > 10 * places.min():
        panel.set_xscale("log")
    for k, (label, curve) in reversed([*enumerate(lines.items())]):  # the first on top
        low, median, high = np.where(np.isfinite(curve), curve, np.nan)[order].T
        if numeric:
            panel.fill_between(places[order], low, high, color=colors[label], alpha=0.15, lw=0)
            panel.plot(places[order], median, "o-", color=colors[label], ms=3.5, lw=1.5)
        else:
            shifted = places + 0.6 * ((k + 0.5) / len(lines) - 0.5)
            panel.vlines(shifted, low, high, color=colors[label], lw=3, alpha=0.35)
            panel.plot(shifted, median, "o", color=colors[label], ms=4)
    lost = Counter(run["value"] for run in lost_runs)
    ticks = [words(value) + (f"\n{lost[value]} lost" if lost[value] else "") for value in values]
    every = math.ceil(len(values) / 8)
    panel.set_xticks(places[order][::every], [ticks[k] for k in order[::every]])
    panel.minorticks_off()
    if not numeric:
        panel.set_xlim(-0.5, len(values) - 0.5)
    _set_scale(panel, "y", lines)


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


def _set_scale(panel, axis, lines):
    """Choose a logarithmic scale for positive numbers of many sizes, and few ticks on a linear one."""
    finite = _finite(lines)
    if len(finite) and finite.min() > 0 and finite.max() > 100 * finite.min():
        panel.set(**{f"{axis}scale": "log"})
    else:
        panel.locator_params(axis=axis, nbins=4)


def _caption(script, rows, setting, facts, data):
    several = bool(setting) and len(facts["sweep"]["values"]) > 1
    listed = ", ".join(f"{_spaced(name)} {words(value)}" for name, value in facts["settings"].items()
                       if value != "" and name != "seed" and not (several and name == setting))
    seeds, lost = facts["seeds"], Counter(words(run["value"]) for run in facts["without_result"])
    read = ", ".join(dict.fromkeys(entry["name"] for entry in data)) or "none"
    text = f"{script}.py, data {read}; {listed}.\n"
    if len(seeds) > 1:
        spacing = f" in steps of {seeds[1] - seeds[0]}" if seeds[1] - seeds[0] > 1 else ""
        text += f"Medians and the middle 90 % over n = {len(seeds)} seeds, {seeds[0]} to {seeds[-1]}{spacing}."
        runs = facts["settings"].get("runs", 1)
        if runs != 1:
            text += f" Each seed's number is one of {words(runs)} runs, mostly a median: single runs differ more."
    else:
        text += "n = one run." if seeds == [None] else f"n = one seed, {seeds[0]}."
    if lost:
        where = ", ".join(f"{count} of {len(seeds)}" + (f" at {value}" if several else "")
                          for value, count in lost.items())
        kinds = sorted({run["ended"].split(":")[0] for run in facts["without_result"]})
        text += f" Without a result: {where} ({', '.join(kinds)})."
    missing = Counter()
    for row in rows:
        missing.update({key: row[key + "_missing"] for key in row if key + "_missing" in row})
    if missing:
        listed = ", ".join([*map(_spaced, missing)][:3] + ["..."] * (len(missing) > 3))
        text += f" {missing.total()} numbers are missing or NaN ({listed})."
    return text


def _left_out(rows, names, curves, drawn, columns, shown):
    """Return, for the caption, which numbers and rows the figure does not show."""
    text = ""
    numbers = dict.fromkeys(key for row in rows for key in row if key + "_low" in row)
    same = [key for key, of_label in curves.items()
            if drawn[key] and key not in columns and len(np.unique(_finite(of_label))) < 2]
    for why, keys in ((", the same everywhere", same), ("", [key for key in numbers if key not in (*same, *columns)])):
        if keys:
            text += f" Not shown{why}: {', '.join(map(_spaced, keys))}."
    everything = len({label_of(row, names) for row in rows if row[SEEDS]})
    return text + (f" Shown: {len(shown)} of {everything} rows." if len(shown) < everything else "")


def _finite(lines):
    """Return all finite numbers of some curves."""
    numbers = np.array(list(lines.values()))
    return numbers[np.isfinite(numbers)]


def _spaced(name):
    return name.lower().replace("_", " ")


def _interval(low_median_high):
    low, median, high = (words(float(value)) for value in low_median_high)
    return median if low == high else f"{median} ({low} to {high})"
