"""A script's `main` over values of one of its constants and over many seeds: medians, intervals and one figure.

    python grad_network.py --sweep learning-rate 0.01 0.1 1.0 --seeds 10 --jobs 2 --store out/sweep.jsonl

Each pair of a value and a seed is a run of the script, and `ensemble.run` has all of them in work at once. A run
that ends in one of OUTCOMES, such as a gradient that is zero everywhere, is counted beside every number. After any
other error there is no result: it is said once the other runs have finished, which a store keeps.
"""
import collections
import difflib
import importlib
import itertools
import json
import math
from functools import partial

import numpy as np
from matplotlib.lines import Line2D

from gradnets import curvature, datasets, ensemble, experiment, graphs, plots, tails

# How a run can end without a result. Named one by one: libraries have children of ValueError too, for faults of code.
OUTCOMES = (graphs.DegenerateMatrix, tails.NoTail, curvature.NotFinite, curvature.SingularHessian,
            curvature.IndefiniteHessian, curvature.NotInvertible)
# What a sweep adds to the rows of a script, in capitals as constants are: the script's own columns are not.
SEEDS, LOST, PLACE = "SEEDS", "WITHOUT_RESULT", "PLACE"
MOST_PANELS, MOST_LINES, MOST_NAMES = 12, 8, 24
FILES = ("WEIGHTS", "GRADIENT", "GRAPH")  # constants that name a file of the user's, which a script then looks at
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
        For a constant or a value that the script does not have, a run that ends in an error that is none of
        OUTCOMES, or where no run has a result or no row has a number.
    """
    if settings.get("LIST"):
        raise ValueError("--list only shows what is in a file: leave it out, or --sweep and --seeds")
    constant, values = _swept(sweep, settings) if sweep else (None, [None])
    file = next((values[0] if name == constant else settings[name] for name in FILES
                 if name == constant or settings.get(name)), None)
    if file and seeds > 1:
        raise ValueError(f"--seeds is {seeds}: the file {file} is one sample, of which other seeds only draw anew; "
                         "raise DRAWS, NULLS or REPLICATES")
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
    found, alone = iter(found), [_alone(value) for value in values]
    groups, lost = [[] for _ in values], []
    datasets.loaded.clear()
    for value, seed in pairs:
        head = next(found)
        rows = list(itertools.islice(found, head["rows"]))
        datasets.loaded += [entry for entry in json.loads(head["data"]) if entry not in datasets.loaded]
        if head["ended"]:
            lost.append({"value": _alone(value), "seed": seed, "ended": head["ended"]})
        else:
            groups[values.index(value)].append(rows)
    if not any(groups):
        raise ValueError(f"none of {len(pairs)} runs has a result, the first: {lost[0]['ended']}")
    rows = summary(constant, alone, groups, len(sown))
    facts = {"settings": {name.lower(): alone if name == constant else value for name, value in settings.items()},
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


def one_run(number, script, constant, settings):
    """The run of one value and seed, for `ensemble.run`: a row that says how it ended, and the script's own rows.

    number is what `_packed` made of both.
    """
    value, seed = json.loads(number.to_bytes((number.bit_length() + 7) // 8))
    value = tuple(value) if isinstance(value, list) else value
    changed = ({constant: value} if constant else {}) | ({} if seed is None else {"SEED": seed})
    datasets.loaded.clear()
    rows, ended = [], ""
    try:
        rows = rows_of(script, settings | changed)
    except OUTCOMES as error:
        ended = f"{type(error).__name__}: {experiment.one_line(error)}"
    except (ValueError, OSError, MemoryError, OverflowError) as error:
        where = ", ".join(f"{name} {_text(item)}" for name, item in changed.items())
        raise ValueError(f"{experiment.one_line(error)} ({where})") from error
    plain = [{key: item.item() if isinstance(item, np.generic) else item for key, item in row.items()} for row in rows]
    kept = [{key: item for key, item in row.items() if isinstance(item, bool | int | float | str)} for row in plain]
    return [{"ended": ended, "rows": len(rows), "data": json.dumps(datasets.loaded)}, *kept]  # lists are no numbers


# ---- what is found ----------------------------------------------------------------------------------------

def names_of(groups):
    """The columns that tell the rows of a run apart, from the left; a list of str.

    These are words, whole numbers that are the same for all seeds, and other numbers that are the same in all runs,
    where they split the rows further. A row that they leave equal to another is known by its place.

    groups : for each value the rows of each of its runs, lists of dict.
    """
    runs, names = [rows for group in groups for rows in group], []
    columns = dict.fromkeys(key for rows in runs for row in rows for key in row)
    for key in columns:
        if key.endswith(("_low", "_high")) or key + "_low" in columns:
            continue
        held = [item[key] for rows in runs for item in rows if key in item]
        if not all(isinstance(item, str) for item in held):
            whole = all(isinstance(item, str | int) for item in held)
            given = [[sorted(repr(row[key]) for row in rows if key in row) for rows in group]
                     for group in (groups if whole else [runs])]
            if any(one != group[0] for group in given for one in group):
                continue
        if any(len({_name(row, [*names, key]) for row in rows}) > len({_name(row, names) for row in rows})
               for rows in runs):
            names.append(key)
    return names


def _name(row, names):
    return tuple(row.get(name) for name in names)


def summary(constant, values, groups, seeds):
    """The rows of a sweep, as `run` returns them.

    groups : for each value the rows of each of its runs that have a result; seeds : int, the runs at each value.
    """
    names = names_of(groups)
    placed = [[_placed(rows, names) for rows in group] for group in groups]
    twice = {name for group in placed for run in group for name, place in run if place}
    columns = dict.fromkeys(key for group in groups for rows in group for row in rows for key in row)
    numbers = [key for key in columns if key not in names and not key.endswith(("_low", "_high"))]
    lost = any(len(group) < seeds for group in groups)
    found = []
    for value, group in zip(values, placed, strict=True):
        head = {constant: value} if constant else {}
        tail = {LOST: seeds - len(group)} if lost else {}
        if not group:
            found.append(head | {SEEDS: 0} | tail)
        for name, place in dict.fromkeys(of for run in group for of in run):
            rows = [run[name, place] for run in group if (name, place) in run]
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
    return found


def _placed(rows, names):
    """{(name, place among those of the same name): row}"""
    places, found = collections.Counter(), {}
    for row in rows:
        name = _name(row, names)
        found[name, places[name]] = row
        places[name] += 1
    return found


def _alone(value):
    return value[0] if isinstance(value, tuple | list) else value


def _text(value):
    if isinstance(value, tuple | list):
        return " ".join(map(_text, value))
    return ("yes" if value else "no") if isinstance(value, bool) else experiment.cell(value)


# ---- what is said and drawn -------------------------------------------------------------------------------

def lines_of(rows, constant, values):
    """The rows of a sweep that can be compared: {label: its row at each value, {} where it has none}.

    These are the rows that all values have, but for values without any result. Where the constant moves the names,
    as that of the last step moves with the number of steps, it is the last row of each value, as "last step". Where
    neither is so, all rows.
    """
    lines, last = {}, [{} for _ in values]
    for row in rows:
        if row[SEEDS]:
            place = values.index(row.get(constant))
            lines.setdefault(_label(row, constant), [{} for _ in values])[place] = last[place] = row
    ends = [row for row in last if row]
    kinds = {_label(row, constant, last=True) for row in ends}
    if len(kinds) == 1 and len({_label(row, constant) for row in ends}) > 1:
        return {kinds.pop(): last}
    return {label: line for label, line in lines.items() if sum(map(bool, line)) == len(ends)} or lines


def curves_of(lines, values):
    """The numbers of such lines: {column: {label: float64 (values, 3)}}.

    Low, median and high at each value, NaN where there is none. A number that only repeats the values of the sweep
    is given, not measured, and left out.
    """
    curves = {}
    for label, line in lines.items():
        for key in dict.fromkeys(key for row in line for key in row if key + "_low" in row):
            curve = [[row.get(key + end, np.nan) for end in ("_low", "", "_high")] for row in line]
            given = [row[key] == value for row, value in zip(line, values, strict=True) if key in row]
            if len(given) < 2 or not all(given) or isinstance(values[0], bool):  # which may equal a count, 0 or 1
                curves.setdefault(key, {})[label] = np.array(curve, dtype=float)
    return curves


def finding(label, line, constant, values, seeds):
    """What the sweep does to one row, an item of `lines_of`, as a sentence; seeds, int, is how many were asked for.

    A number has changed where its intervals at two values do not overlap. Of two values with seeds of their own,
    that happens by chance to 1 number in 3 with 2 seeds, 1 in 10 with 3 and 1 in 126 with 5; how many of the numbers
    that makes over all pairs of values, at most, is said. Of one seed any difference counts. Values with fewer than 2
    of several runs have no interval, and are left out.
    """
    numbers = {key: curve[label] for key, curve in curves_of({label: line}, values).items()}
    what = f"numbers of {label}" if label else "numbers"
    if not constant or len(values) == 1:
        varied = [key for key, curve in numbers.items() if curve[0, 0] < curve[0, 2]] or [*numbers]
        over = f"Over {line[0][SEEDS]} seeds" if line[0][SEEDS] > 1 else "Of one seed"
        said = ", ".join(f"{_words(key)} {_interval(numbers[key][0])}" for key in varied[:3])
        return f"{over}{label and ', ' + label}: {said}"
    changed, counts = [], []
    for key, curve in numbers.items():
        runs = [row.get(SEEDS, 0) - row.get(key + "_missing", 0) for row in line]
        held = [k for k in range(len(values)) if runs[k] >= min(2, seeds) and np.isfinite(curve[k]).all()]
        if len(held) > 1:
            counts.append([runs[k] for k in held])
            above, below = max(held, key=lambda k: curve[k, 0]), min(held, key=lambda k: curve[k, 2])
            if curve[above, 0] > curve[below, 2]:
                ends = sorted((above, below))
                course = " to ".join(f"{_interval(curve[k])} at {_text(values[k])}" for k in ends)
                alike = seeds > 1 and all(curve[k, 0] == curve[k, 2] for k in ends)
                changed.append(f"{_words(key)} from {course}" + (", each without spread" if alike else ""))
    if not counts:
        return f"With {_words(constant)}, nothing can be compared: too few runs have the same {what} at two values"
    few, many = min(map(min, counts)), max(map(max, counts))
    over = (f" beyond the spread over {few if few == many else f'{few} to {many}'} seeds" if seeds > 1 else
            ", of one seed, perhaps by chance")
    pairs = len(values) * (len(values) - 1) / 2
    chance = len(counts) * min(1.0, pairs * 2 / math.comb(2 * few, few))
    over += f" ({chance:.2g} at most by chance)" if seeds > 1 and changed and chance >= 0.1 else ""
    example = f"{', such as' if len(changed) > 1 else ':'} {changed[0]}" if changed else ""
    return f"With {_words(constant)}, {len(changed) or 'none'} of {len(counts)} {what} changed{over}{example}"


@plots.styled
def picture(script, rows, constant, facts):
    """The figure: a panel a number, in it a line with its band for each row; at one value a dot with its bar.

    Of many rows some are shown, evenly from the first to the last. The title is of the first, the observed one
    where others are nulls; or of the last, where only numbers name the rows, as steps do.
    """
    values = facts["sweep"]["values"] if constant else [None]
    many = len(values) > 1
    lines = lines_of(rows, constant, values)
    curves = curves_of(lines, values)
    labels = [label for label in lines if any(label in found for found in curves.values())]
    if not labels:
        raise ValueError("no row of this script has a number that it measures: there is nothing to sweep")
    room = min(len(labels), MOST_LINES if many else MOST_NAMES)
    shown = [labels[k] for k in np.linspace(0, len(labels) - 1, room).round().astype(int)]
    seen = {key: {label: found[label] for label in shown if label in found} for key, found in curves.items()}
    varied = [key for key, found in seen.items() if len(np.unique(_finite(found))) > 1]
    columns = (varied or [key for key in seen if seen[key]])[:MOST_PANELS]
    counted = all(not isinstance(word, str) for label in shown for row in lines[label]
                  for word in _head(row, constant).values())
    colors = dict(zip(shown, plots.shades(len(shown)) if counted and len(shown) > 3 else COLORS * 3, strict=False))
    headline = shown[-1 if counted else 0]
    title = finding(headline, lines[headline], constant, values, len(facts["seeds"]))
    caption = _caption(script, rows, constant, values, facts)
    numbers = dict.fromkeys(key for row in rows for key in row if key + "_low" in row)
    same = [key for key, found in curves.items()
            if seen[key] and key not in columns and len(np.unique(_finite(found))) < 2]
    for why, left_out in ((", the same everywhere", same),
                          ("", [key for key in numbers if key not in (*same, *columns)])):
        if left_out:
            caption += f" Not shown{why}: {', '.join(map(_words, left_out))}."
    everything = len({_label(row, constant) for row in rows if row[SEEDS]})
    if len(shown) < everything:
        caption += f" Shown: {len(shown)} of {everything} rows."

    across = len(columns) if len(columns) < 5 else 3 if len(columns) in (5, 6, 9) else 4
    grid = [[*columns[k:k + across], *["."] * (across - len(columns[k:k + across]))]
            for k in range(0, len(columns), across)]
    below = 0.25 * math.ceil(len(shown) / 3) if many and shown != [""] else 0
    width = max(8, 3 * across + (0 if many else 2))
    height = (2.4 if many else 0.9 + 0.2 * len(shown)) * len(grid) + below + 0.9 + 0.16 * len(caption) / (15 * width)
    figure, panels = plots.figure(grid, width, height, title, caption)
    for place, key in enumerate(columns):
        panels[key].set_title(key.replace("_", " "))
        if many:
            _draw_lines(panels[key], seen[key], values, colors, facts["without_result"])
            panels[key].set_xlabel(_words(constant) if place >= len(columns) - across else "")
        else:
            _draw_dots(panels[key], seen[key], shown, names=place % across == 0)
    if below:
        handles = [Line2D([], [], color=colors[label], lw=2, label=label) for label in shown]
        figure.legend(handles=handles, loc="outside lower left", ncols=min(3, len(shown)), fontsize=9)
    return figure


def _draw_lines(panel, lines, values, colors, without):
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
    lost = collections.Counter(entry["value"] for entry in without)
    said = [_text(value) + (f"\n{lost[value]} lost" if lost[value] else "") for value in values]
    every = math.ceil(len(values) / 8)
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
    panel.set(yticks=range(len(shown)), yticklabels=shown if names else [], ylim=(len(shown) - 0.5, -0.5))
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="y", color=plots.PALE, lw=0.6)
    panel.set_axisbelow(True)
    _scale(panel, "x", lines)


def _scale(panel, axis, lines):
    """Logarithmic where numbers are positive and of many sizes; few ticks, without offsets, where it is linear."""
    finite = _finite(lines)
    if len(finite) and finite.min() > 0 and finite.max() > 100 * finite.min():
        panel.set(**{f"{axis}scale": "log"})
    else:
        panel.locator_params(axis=axis, nbins=4)


def _caption(script, rows, constant, values, facts):
    several = len(values) > 1
    settings = ", ".join(f"{_words(name)} {_text(value)}" for name, value in facts["settings"].items()
                         if value != "" and name != "seed" and not (several and name == facts["sweep"]["constant"]))
    seeds, lost = facts["seeds"], collections.Counter(_text(entry["value"]) for entry in facts["without_result"])
    data = ", ".join(dict.fromkeys(entry["name"] for entry in datasets.loaded)) or "none"
    text = f"{script}.py, data {data}; {settings}.\n"
    if len(seeds) > 1:
        apart = f" in steps of {seeds[1] - seeds[0]}" if seeds[1] - seeds[0] > 1 else ""
        text += f"Medians and the middle 90 % over n = {len(seeds)} seeds, {seeds[0]} to {seeds[-1]}{apart}."
        runs = facts["settings"].get("runs", 1)
        if runs != 1:
            text += f" Each seed's number is one of {_text(runs)} runs, mostly a median: single runs differ more."
    else:
        text += "n = one run." if seeds == [None] else f"n = one seed, {seeds[0]}."
    if lost:
        where = ", ".join(f"{count} of {len(seeds)}" + (f" at {value}" if several else "")
                          for value, count in lost.items())
        kinds = sorted({entry["ended"].split(":")[0] for entry in facts["without_result"]})
        text += f" Without a result: {where} ({', '.join(kinds)})."
    missing = collections.Counter()
    for row in rows:
        missing.update({key: row[key + "_missing"] for key in row if key + "_missing" in row})
    if missing:
        which = ", ".join([*map(_words, missing)][:3] + ["..."] * (len(missing) > 3))
        text += f" {missing.total()} numbers are missing or NaN ({which})."
    return text


def _head(row, constant):
    return {key: row[key] for key in itertools.takewhile(lambda key: key != SEEDS, row) if key != constant}


def _label(row, constant, last=False):
    """What names a row, in words: observed network; step 500; mnist, layer 2. Or that it is the last: last step."""
    return ", ".join(value if isinstance(value, str) else f"last {_words(key)}" if last
                     else f"{_words(key)} {_text(value)}" for key, value in _head(row, constant).items())


def _finite(lines):
    """All finite numbers of some curves."""
    found = np.array(list(lines.values()))
    return found[np.isfinite(found)]


def _words(name):
    return name.lower().replace("_", " ")


def _interval(three):
    low, median, high = (_text(float(one)) for one in three)
    return median if low == high else f"{median} ({low} to {high})"
