"""A script's `main` over values of one of its constants and over many seeds: medians, intervals and one figure.

    python grad_network.py --sweep learning-rate 0.01 0.1 1.0 --seeds 10 --jobs 2 --store out/sweep.jsonl

Each pair of a value and a seed is a run of the script, and `ensemble.run` has all of them in work at once. A run
that ends in a named child of ValueError, such as a gradient that is zero everywhere, is an outcome, and is counted
beside every number; a plain ValueError is a mistake, and ends the sweep.
"""
import collections
import difflib
import importlib
import io
import itertools
import json
import math
from functools import partial

import numpy as np
from matplotlib.lines import Line2D

from gradnets import datasets, ensemble, experiment, motifs, plots

# Children of ValueError that tell of wrong input; all others are how a run can end.
MISTAKES = (datasets.DataError, motifs.NotLayered, ensemble.FailedSeed, UnicodeError, json.JSONDecodeError,
            io.UnsupportedOperation)
# What a sweep adds to the rows of a script, in capitals as constants are: the script's own columns are not.
SEEDS, LOST, PLACE = "SEEDS", "WITHOUT_RESULT", "PLACE"
MOST_PANELS, MOST_LINES, MOST_NAMES = 12, 8, 24
COLORS = (plots.RED, plots.INK, plots.BLUE, "#b58a2a", "#4d8b57", "#8a5fa8", plots.GREY, "#c77fa0")


def run(script, settings, sweep=None, seeds=1, jobs=1, cluster="", store=None):
    """A script over values of a constant and over seeds.

    Parameters
    ----------
    script : str
        The name of its module, which can be imported.
    settings : dict
        All of its constants, by their names.
    sweep : list of str, optional
        The constant to sweep, as its flag is spelt, and its values.
    seeds : int
        So many, from settings["SEED"] on. Of a script that has RUNS of its own, seeded SEED, SEED + 1, ..., only
        every RUNS-th: no two share a run.
    jobs, cluster, store
        As `ensemble.run` takes them. The same store serves other values and more seeds.

    Returns
    -------
    list of dict
        A row for each value and each row of the script: the value, under the constant's name in capitals; what
        names the row; SEEDS, the runs that have it, and WITHOUT_RESULT, where there are such, the runs at this
        value that have nothing; and each number x as x, x_low and x_high, its median and middle 90 % over the
        seeds. x_missing counts the runs whose row lacks the number x or has NaN. A value at which no run has a
        result is a row of these counts alone.
    matplotlib.figure.Figure
    dict
        settings, sweep (the constant and its values), seeds, and without_result, the runs that have none.

    Raises
    ------
    ValueError
        For a constant or a value that the script does not have, a run that ends in a mistake, or where no run has
        a result or no row has a number.
    """
    constant, values = _swept(sweep, settings) if sweep else (None, [None])
    sown = _seeds(seeds, constant, values, settings)
    others = {name: value for name, value in settings.items() if name not in (constant, "SEED")}
    pairs = list(itertools.product(values, sown))
    task = partial(one_run, script=script, constant=constant, settings=others)
    try:
        found = ensemble.run(task, [_packed(*pair) for pair in pairs], jobs, cluster, store or None,
                             what="runs", modules=(script,))
    except ensemble.FailedSeed as failed:
        cause = failed.__cause__
        if not isinstance(cause, ValueError):
            raise cause from None  # an error of the code
        raise ValueError(str(cause)) from cause
    found = iter(found)
    groups, lost, data = [[] for _ in values], [], []
    for value, seed in pairs:
        head = next(found)
        rows = list(itertools.islice(found, head["rows"]))
        data += [entry for entry in json.loads(head["data"]) if entry not in data]
        if head["ended"]:
            lost.append({"value": _alone(value), "seed": seed, "ended": head["ended"]})
        else:
            groups[values.index(value)].append(rows)
    if not any(groups):
        raise ValueError(f"none of {len(pairs)} runs has a result, the first: {lost[0]['ended']}")
    datasets.loaded[:] = data
    rows = summary(constant, values, groups, len(sown))
    alone = [_alone(value) for value in values]
    swept = {constant: alone} if constant else {}
    facts = {"settings": {name.lower(): value for name, value in (settings | swept).items()},
             "sweep": {"constant": constant.lower(), "values": alone} if constant else None,
             "seeds": sown, "without_result": lost}
    return rows, picture(script, rows, constant, facts), facts


def rows_of(script, settings):
    """The rows of a script's `main` under these constants, as it returns them, but for numbers that are None.

    script is the name of its module, which is imported here; its constants are put back afterwards.
    """
    module = importlib.import_module(script)
    before = {name: getattr(module, name) for name in settings}
    hidden, experiment.hidden = experiment.hidden, True
    try:
        for name, value in settings.items():
            setattr(module, name, value)
        rows, *_ = module.main()
    finally:
        experiment.hidden = hidden
        for name, value in before.items():
            setattr(module, name, value)
    return [{key: value for key, value in row.items() if value is not None} for row in rows]


# ---- what is asked ----------------------------------------------------------------------------------------

def _swept(words, settings):
    """The constant and its values, typed as it is; of one that holds several values, each alone."""
    word, *texts = words
    name = word.lstrip("-").replace("-", "_").upper()
    flags = {known: known.lower().replace("_", "-") for known in settings if known != "SEED"}
    if name == "SEED":
        raise ValueError("--sweep seed: expected another constant; take --seeds for so many seeds from SEED on")
    if name not in flags:
        near = difflib.get_close_matches(name, flags, n=1)
        raise ValueError(f"--sweep {word}: " + (f"no such constant, did you mean {flags[near[0]]}?" if near else
                                                f"expected one of {', '.join(flags.values())}"))
    if not texts:
        raise ValueError(f"--sweep {word}: expected values behind it, as in --sweep {word} "
                         f"{_text(settings[name])}")
    several = isinstance(settings[name], tuple | list)
    values = [_typed(text, settings[name][0] if several else settings[name], flags[name]) for text in texts]
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"--sweep {flags[name]}: {_text(value)} is there {values.count(value)} times")
    return name, [(value,) for value in values] if several else values


def _typed(text, like, flag):
    if isinstance(like, str):
        return text
    try:
        if isinstance(like, bool):
            return {"yes": True, "no": False}[text]
        value = experiment.number(text) if isinstance(like, int) else float(text)
        if math.isfinite(value):
            return value
    except (ValueError, KeyError):
        pass
    expected = "yes or no" if isinstance(like, bool) else "a whole number" if isinstance(like, int) else "a number"
    raise ValueError(f"--sweep {flag}: {text!r} is a wrong value, expected {expected}")


def _seeds(count, constant, values, settings):
    if not (isinstance(count, int) and count > 0):
        raise ValueError(f"--seeds is {count}: expected a positive whole number")
    if "SEED" not in settings:
        if count > 1:
            raise ValueError(f"--seeds is {count}: this script has no SEED, and each run would be the same")
        return [None]
    runs = values if constant == "RUNS" else [settings.get("RUNS", 1)]
    apart = max([1, *(one for one in runs if isinstance(one, int))])
    return list(range(settings["SEED"], settings["SEED"] + count * apart, apart))


def _packed(value, seed):
    """A value and a seed as the whole number that `ensemble.run` takes for a seed: the bytes of their JSON.

    It does not depend on what else is swept, so that a store knows the run in another sweep again.
    """
    return int.from_bytes(json.dumps([value, seed]).encode())


def _unpacked(number):
    value, seed = json.loads(number.to_bytes((number.bit_length() + 7) // 8))
    return tuple(value) if isinstance(value, list) else value, seed


def one_run(number, script, constant, settings):
    """The run of one value and seed, for `ensemble.run`: a row that says how it ended, and the script's own rows.

    number is what `_packed` made of both.
    """
    value, seed = _unpacked(number)
    changed = ({constant: value} if constant else {}) | ({} if seed is None else {"SEED": seed})
    datasets.loaded.clear()
    rows, ended = [], ""
    try:
        for row in rows_of(script, settings | changed):
            plain = {key: _scalar(item) for key, item in row.items()}
            rows.append({key: item for key, item in plain.items() if item is not None})
    except (ValueError, OSError, MemoryError, OverflowError) as error:
        ended = f"{type(error).__name__}: {experiment.one_line(error)}"
        if type(error) is ValueError or isinstance(error, MISTAKES) or not isinstance(error, ValueError):
            where = ", ".join(f"{name} {_text(item)}" for name, item in changed.items())
            raise ValueError(f"{experiment.one_line(error)} ({where})") from error
    return [{"ended": ended, "rows": len(rows), "data": json.dumps(datasets.loaded)}, *rows]


def _scalar(value):
    """What a store can hold, or None: lists and arrays are no number of a row."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, bool | int | float | str) else None


# ---- what is found ----------------------------------------------------------------------------------------

def names_of(groups):
    """The columns that tell the rows of a run apart, from the left.

    These are words, whole numbers that are the same for all seeds, and other numbers that are the same in all
    runs.

    Parameters
    ----------
    groups : list of list of list of dict
        For each value the rows of each of its runs.

    Returns
    -------
    list of str
        None that does not split the rows further. A row that they leave equal to another is known by its place.
    """
    runs = [rows for group in groups for rows in group]
    names = []
    for key in dict.fromkeys(key for rows in runs for row in rows for key in row):
        held = [item[key] for rows in runs for item in rows if key in item]
        if _is_interval(key) or any(key + "_low" in row for rows in runs for row in rows):
            continue
        if not all(isinstance(item, str) for item in held):
            given = [[sorted(repr(row[key]) for row in rows if key in row) for rows in group] for group in groups]
            if not all(isinstance(item, str | int) for item in held):
                given = [[one for group in given for one in group]]
            if any(one != group[0] for group in given for one in group):
                continue
        if any(_kinds(rows, [*names, key]) > _kinds(rows, names) for rows in runs):
            names.append(key)
    return names


def _kinds(rows, names):
    return len({_name(row, names) for row in rows})


def _name(row, names):
    return tuple(row.get(name) for name in names)


def _is_interval(key):
    return key.endswith(("_low", "_high"))


def summary(constant, values, groups, seeds):
    """The rows of a sweep, as `run` returns them.

    groups : for each value the rows of each of its runs that have a result; seeds : int, the runs at each value.
    """
    names = names_of(groups)
    placed = [[_placed(rows, names) for rows in group] for group in groups]
    order = list(dict.fromkeys(name for group in placed for run in group for name in run))
    twice = {name for name, place in order if place}
    columns = dict.fromkeys(key for group in groups for rows in group for row in rows for key in row)
    numbers = [key for key in columns if key not in names and not _is_interval(key)
               and not _is_swept(key, values, groups)]
    lost = any(len(group) < seeds for group in groups)
    found = []
    for value, group in zip(values, placed, strict=True):
        head = {constant: _alone(value)} if constant else {}
        tail = {LOST: seeds - len(group)} if lost else {}
        if not group:
            found.append(head | {SEEDS: 0} | tail)
        for name, place in order:
            rows = [run[name, place] for run in group if (name, place) in run]
            if not rows:
                continue
            row = head | {key: item for key, item in zip(names, name, strict=True) if item is not None}
            row |= ({PLACE: place + 1} if name in twice else {}) | {SEEDS: len(rows)} | tail
            for key in numbers:
                held = [+item[key] for item in rows if isinstance(item.get(key), int | float)]  # of a bool 0 or 1
                numeric = [item for item in held if not math.isnan(item)]
                if numeric:
                    row |= experiment.spread(**{key: numeric})
                if held and len(numeric) < len(rows):
                    row[key + "_missing"] = len(rows) - len(numeric)
            found.append(row)
    if not any(key + "_low" in row for row in found for key in numbers):
        raise ValueError("no row of this script has a number: there is nothing to sweep")
    return found


def _placed(rows, names):
    """{(name, place among those of the same name): row}"""
    places, found = collections.Counter(), {}
    for row in rows:
        name = _name(row, names)
        found[name, places[name]] = row
        places[name] += 1
    return found


def _is_swept(key, values, groups):
    """Whether a column only repeats the value."""
    return all(row.get(key) == _alone(value) for value, group in zip(values, groups, strict=True)
               for rows in group for row in rows)


def _alone(value):
    return value[0] if isinstance(value, tuple | list) else value


def _text(value):
    value = _alone(value)
    return ("yes" if value else "no") if isinstance(value, bool) else experiment.cell(value)


# ---- what is said and drawn -------------------------------------------------------------------------------

def curves_of(rows, constant, values):
    """What is drawn of the rows of a sweep: {column: {label: float64 (values, 3)}}.

    Low, median and high at each value, NaN where there is none.
    """
    curves = {}
    for row in rows:
        for key in row:
            if key + "_low" in row:
                empty = np.full((len(values), 3), np.nan)
                curve = curves.setdefault(key, {}).setdefault(_label(row, constant), empty)
                curve[values.index(row.get(constant))] = [row[key + end] for end in ("_low", "", "_high")]
    return curves


def change_of(curve, seeds):
    """How far a curve moves: from its least median to its largest, over the mean width of its intervals.

    Of one seed, whose intervals have no width, it is over the largest size. At a single value it is the width of
    the interval over the largest size in it, a thousandth of that where 0 lies within, from which no size can be
    told. What is the same for all of several seeds was given rather than measured, and has 0.
    """
    finite = _finite(curve)
    if len(finite) < min(2, len(curve)):
        return 0.0
    widths, size = finite[:, 2] - finite[:, 0], np.abs(finite).max()
    if len(curve) == 1:
        way, scale = widths[0], size * (1000 if finite[0, 0] <= 0 <= finite[0, 2] else 1)
    else:
        way, scale = np.ptp(finite[:, 1]), widths.mean() if seeds > 1 else size
    return float(way / scale) if scale else 0.0


def finding(curves, constant, values, seeds):
    """The number that changes most, over the sweep or between seeds, as a sentence with its ends.

    It is the first of those that change nearly as much: by at least four fifths of the most.
    """
    changes = {(key, label): change_of(curve, seeds) for key, lines in curves.items()
               for label, curve in lines.items()}
    key, label = next(of for of, change in changes.items() if change >= 0.8 * max(changes.values()))
    change, curve = changes[key, label], curves[key][label]
    what = key.replace("_", " ") + (f" of {label}" if label else "")
    if not change:
        return f"Nothing changed {f'with {_words(constant)}' if len(values) > 1 else 'between seeds'}"
    if len(_finite(curve)) == 1:
        return f"Between seeds, {what} differed most: {_interval(*_finite(curve))}"
    ends = sorted((np.nanargmin(curve[:, 1]), np.nanargmax(curve[:, 1])))
    course = " to ".join(f"{_interval(curve[end])} at {_text(values[end])}" for end in ends)
    if seeds == 1:
        return f"With {_words(constant)}, {what} changed most, from {course}; of one seed, so it may be chance"
    if change <= 1:
        return (f"With {_words(constant)}, nothing changed by more than its spread over seeds: at most {what}, "
                f"from {course}")
    times = f"{change:.2g}" if change < 10 else f"{change:.0f}"
    return f"With {_words(constant)}, {what} changed most: from {course}, {times} times its spread over seeds"


@plots.styled
def picture(script, rows, constant, facts):
    """The figure: a panel a number, in it a line with its band for each row; at one value a dot with its bar."""
    values = facts["sweep"]["values"] if constant else [None]
    seeds = facts["seeds"]
    lost = collections.Counter(entry["value"] for entry in facts["without_result"])
    curves = curves_of(rows, constant, values)
    change = {(key, label): change_of(curve, len(seeds)) for key, lines in curves.items()
              for label, curve in lines.items()}
    varied = [key for key, lines in curves.items()
              if len(np.unique(np.concatenate([_finite(curve).ravel() for curve in lines.values()]))) > 1]
    labels = list(dict.fromkeys(_label(row, constant) for row in rows if row[SEEDS]))
    names = [_head(row, constant) for row in rows if row[SEEDS]]
    counted = all(len(name) == 1 and not isinstance(*name.values(), str) for name in names)  # as steps are
    room = MOST_LINES if len(values) > 1 else MOST_NAMES
    if counted and len(labels) > room:
        shown = [labels[k] for k in np.linspace(0, len(labels) - 1, room).round().astype(int)]
    else:
        shown = _most(labels, room, lambda label: max((change.get((key, label), 0) for key in varied), default=0))
    seen = {key: {label: curves[key][label] for label in shown if label in curves[key]}
            for key in varied or curves}
    columns = _most([key for key in seen if seen[key]], MOST_PANELS,
                    lambda key: max(change[key, label] for label in seen[key]))
    seen = {key: seen[key] for key in columns}
    palette = plots.shades(len(shown)) if counted and len(shown) > 3 else itertools.cycle(COLORS)
    colors = dict(zip(shown, palette, strict=False))

    across = len(columns) if len(columns) < 5 else 3 if len(columns) in (5, 6, 9) else 4
    down = math.ceil(len(columns) / across)
    grid = [[columns[k] if k < len(columns) else "." for k in range(across * row, across * (row + 1))]
            for row in range(down)]
    caption = _caption(script, rows, constant, values, facts)
    for why, left_out in (("the same everywhere", [key for key in curves if key not in varied]),
                          ("as they change less", [key for key in varied if key not in columns])):
        if left_out:
            caption += f" Not shown, {why}: {', '.join(map(_words, left_out))}."
    if len(shown) < len(labels):
        caption += f" Shown: {len(shown)} of {len(labels)} rows{'' if counted else ', those that change most'}."
    width = max(8, 3 * across + (2 if len(values) == 1 else 0))
    tall = 2.4 if len(values) > 1 else 0.9 + 0.2 * len(shown)
    below = 0.25 * math.ceil(len(shown) / 3) if len(values) > 1 and shown != [""] else 0
    height = tall * down + below + 0.9 + 0.16 * len(caption) / (15 * width)
    figure, panels = plots.figure(grid, width, height, finding(seen, constant, values, len(seeds)), caption)
    for place, key in enumerate(columns):
        panel = panels[key]
        panel.set_title(key.replace("_", " "))
        if len(values) > 1:
            _draw_lines(panel, seen[key], values, colors, lost)
            if place >= len(columns) - across:
                panel.set_xlabel(_words(constant))
        else:
            _draw_dots(panel, seen[key], shown, names=place % across == 0)
    if below:
        handles = [Line2D([], [], color=colors[label], lw=2, label=label) for label in shown]
        figure.legend(handles=handles, loc="outside lower left", ncols=min(3, len(shown)), fontsize=9)
    return figure


def _draw_lines(panel, lines, values, colors, lost):
    """A line with its band a row over numbers, dots with bars side by side over words."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    places = np.array(values if numbers else range(len(values)), dtype=float)
    order = np.argsort(places, kind="stable")
    if numbers and places.min() > 0 and places.max() > 10 * places.min():
        panel.set_xscale("log")
    for k, (label, curve) in reversed([*enumerate(lines.items())]):  # the first on top
        low, median, high = np.where(np.isfinite(curve), curve, np.nan)[order].T
        if numbers:
            panel.fill_between(places[order], low, high, color=colors[label], alpha=0.15, lw=0)
            panel.plot(places[order], median, "o-", color=colors[label], ms=3.5, lw=1.5)
        else:
            beside = places + 0.6 * ((k + 0.5) / len(lines) - 0.5)
            panel.vlines(beside, low, high, color=colors[label], lw=3, alpha=0.35)
            panel.plot(beside, median, "o", color=colors[label], ms=4)
    every = math.ceil(len(values) / 8)
    said = [_text(value) + (f"\n{lost[value]} lost" if lost[value] else "") for value in values]
    panel.set_xticks(places[order][::every], [said[k] for k in order[::every]])
    panel.minorticks_off()
    if not numbers:
        panel.set_xlim(-0.5, len(values) - 0.5)
    _scale(panel, "y", lines)


def _draw_dots(panel, lines, shown, names):
    for label, curve in lines.items():
        (low, median, high), place = np.where(np.isfinite(curve), curve, np.nan)[0], shown.index(label)
        panel.plot([low, high], [place, place], color=plots.INK, lw=4, alpha=0.3, solid_capstyle="round")
        panel.plot(median, place, "o", color=plots.INK, ms=5)
    panel.set_yticks(range(len(shown)), shown if names else [""] * len(shown))
    panel.set_ylim(len(shown) - 0.5, -0.5)
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="y", color=plots.PALE, lw=0.6)
    panel.set_axisbelow(True)
    _scale(panel, "x", lines)


def _scale(panel, axis, lines):
    """Logarithmic where numbers are positive and of many sizes; few ticks, without offsets, where it is linear."""
    finite = np.concatenate([_finite(curve).ravel() for curve in lines.values()] or [[]])
    if len(finite) and finite.min() > 0 and finite.max() > 100 * finite.min():
        panel.set(**{f"{axis}scale": "log"})
    else:
        panel.locator_params(axis=axis, nbins=4)


def _caption(script, rows, constant, values, facts):
    settings = ", ".join(f"{name.replace('_', ' ')} {_listed(value)}" for name, value in facts["settings"].items()
                         if name not in ("seed", facts["sweep"] and facts["sweep"]["constant"]) and value != "")
    seeds, lost = facts["seeds"], collections.Counter(_text(entry["value"]) for entry in facts["without_result"])
    apart = f" in steps of {seeds[1] - seeds[0]}" if len(seeds) > 1 and seeds[1] - seeds[0] > 1 else ""
    which = f"{len(seeds)} seeds, {seeds[0]} to {seeds[-1]}{apart}" if len(seeds) > 1 else f"one seed, {seeds[0]}"
    if len(values) == 1 and constant:
        settings += f", {_words(constant)} {_text(values[0])}"
    data = ", ".join(dict.fromkeys(entry["name"] for entry in datasets.loaded)) or "none"
    parts = [f"{script}.py, data {data}; {settings}.",
             f"Medians and the middle 90 % over n = {which}." if len(seeds) > 1 else f"n = {which}."]
    if lost:
        where = ", ".join(f"{count} of {len(seeds)}" + (f" at {value}" if len(values) > 1 else "")
                          for value, count in lost.items())
        kinds = sorted({entry["ended"].split(":")[0] for entry in facts["without_result"]})
        parts[1] += f" Without a result: {where} ({', '.join(kinds)})."
    missing = collections.Counter()
    for row in rows:
        missing.update({key: row[key + "_missing"] for key in row if key + "_missing" in row})
    if missing:
        which = ", ".join(_words(key) for key, _ in missing.most_common(3)) + (", ..." if len(missing) > 3 else "")
        parts[1] += f" {missing.total()} numbers are missing or NaN ({which})."
    return "\n".join(parts)


def _head(row, constant):
    return {key: row[key] for key in itertools.takewhile(lambda key: key != SEEDS, row) if key != constant}


def _label(row, constant):
    """What names a row, in words: observed network; step 500; mnist, layer 2."""
    return ", ".join(value if isinstance(value, str) else f"{_words(key)} {_text(value)}"
                     for key, value in _head(row, constant).items())


def _finite(curve):
    return curve[np.isfinite(curve).all(axis=1)]


def _most(items, count, score):
    """So many of the items, in their order, that have the highest score."""
    kept = set(sorted(items, key=score, reverse=True)[:count])
    return [item for item in items if item in kept]


def _words(name):
    return name.lower().replace("_", " ")


def _interval(three):
    low, median, high = (_text(float(one)) for one in three)
    return median if low == high else f"{median} ({low} to {high})"


def _listed(value):
    return " ".join(map(_text, value)) if isinstance(value, tuple | list) else _text(value)
