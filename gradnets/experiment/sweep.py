"""Run a script over values of one setting and over many seeds: medians, intervals and one figure.

    python grad_network.py --sweep learning-rate 0.01 0.1 1.0 --seeds 10 --jobs 2 --store out/sweep.db

Each pair of a value and a seed is one run of the script, and `ensemble.run` has all of them in work at once. A run that
ends in errors.NoResult, such as a gradient that is zero everywhere, is counted beside every number. Any other error
stops the sweep, once the other runs have finished, which a store keeps.
"""
import difflib
import math

import numpy as np

from gradnets.errors import NoResult, UserError, one_line
from gradnets.experiment import ensemble, sweep_figure
from gradnets.experiment.flags import flag_of, number
from gradnets.experiment.result import Result, result_of
from gradnets.experiment.sweep_rows import LOST, SEEDS, summarize
from gradnets.experiment.tables import words

FILES = ("weights", "gradient", "graph")  # settings that name a file of the user's
MOST_COLUMNS, MOST_ROWS = 7, 15           # of the printed table; of more rows those of the finding are printed


def run(script, settings, sweep=None, seeds=1, jobs=1, cluster="", store=None):
    """Run a script over values of a setting and over seeds.

    Parameters
    ----------
    script : str
        Name of the script, without .py.
    settings : dict
        All of its settings, by lower-case names.
    sweep : list of str, optional
        The setting, spelt as its flag, and its values.
    seeds : int
        Number of seeds, starting at settings["seed"]. In a script with `runs`, which uses the seeds seed, seed + 1, ...
        itself, they are `runs` apart, so that no two share a run.
    jobs, cluster, store
        As `ensemble.run` takes them. One store serves other values and more seeds too.

    Returns
    -------
    Result
        A row for each value and each row of the script: the value, under the setting's name in capitals; the columns
        that name the row; SEEDS, the number of runs that have the row; WITHOUT_RESULT, if any, the number of runs at
        this value without a result; and each number x as x, x_low and x_high, its median and middle 90 % over seeds.
        x_missing counts the runs whose row lacks x or has NaN. A value without any result is a row of these counts.
    dict
        settings, sweep (the setting and its values), seeds, and without_result, the runs without a result.

    Raises
    ------
    UserError
        If the script has no such setting or value, a run ends in an error that is not a NoResult, no run has a result,
        or no row has a number.
    """
    if settings.get("list"):
        raise UserError("--list only shows the contents of a file: leave out --list, or --sweep and --seeds")
    name, values = _parse_sweep(sweep, settings) if sweep else (None, [None])
    _refuse_seeds_of_files(name, values, settings, seeds)
    all_seeds = _spaced_seeds(seeds, name, values, settings)
    changes = [({name: value} if name else {}) | ({} if seed is None else {"seed": seed})
               for value in values for seed in all_seeds]
    runs = _run_all(script, settings, changes, jobs, cluster, store)
    shown = [_only(value) for value in values]
    groups, lost = [[] for _ in values], []
    for index, outcome in enumerate(runs):
        place, seed = index // len(all_seeds), all_seeds[index % len(all_seeds)]
        if outcome["ended"]:
            lost.append({"value": shown[place], "seed": seed, "ended": outcome["ended"]})
        else:
            groups[place].append(outcome["rows"])
    if not any(groups):
        raise UserError(f"none of {len(runs)} runs has a result, the first: {lost[0]['ended']}")
    first = next(outcome for outcome in runs if not outcome["ended"])
    names = tuple(first["names"])
    rows = summarize(name, shown, groups, names, len(all_seeds))
    data = [entry for outcome in runs for entry in outcome["data"]]
    facts = {"settings": settings | ({name: shown} if name else {}),
             "sweep": {"constant": name, "values": shown} if name else None,
             "seeds": all_seeds, "without_result": lost}
    data = [entry for index, entry in enumerate(data) if entry not in data[:index]]
    drawing = sweep_figure.draw(script, rows, names, facts, data, first["columns"], first["headings"])
    names = ((name.upper(),) if name else ()) + names + (SEEDS,)
    columns = (*([LOST] if lost else []), *drawing.columns)[:max(MOST_COLUMNS - len(names), 1)]
    headings = {SEEDS: "runs", LOST: "without result"} | ({name.upper(): name.replace("_", " ")} if name else {})
    return Result(rows, names, drawing.finding, columns=columns, headings=first["headings"] | headings,
                  printed=[] if len(rows) <= MOST_ROWS else drawing.rows, figure=drawing.figure, data=data), facts


def run_case(script, settings):
    """Run a script once, for `ensemble.run`.

    Returns
    -------
    dict
        ended: why there is no result, or ""; rows, with numbers, words and bools alone; names, columns, headings and
        data of the Result.
    """
    try:
        result = result_of(script, **settings)
    except NoResult as error:
        return {"ended": f"{type(error).__name__}: {one_line(error)}", "rows": [], "names": [], "columns": [],
                "headings": {}, "data": []}
    rows = [{key: value.item() if isinstance(value, np.generic) else value for key, value in row.items()}
            for row in result.rows]
    rows = [{key: value for key, value in row.items() if isinstance(value, bool | int | float | str)} for row in rows]
    return {"ended": "", "rows": rows, "names": list(result.names), "columns": list(result.columns),
            "headings": result.headings, "data": list(result.data)}


def _run_all(script, settings, changes, jobs, cluster, store):
    cases = [{"script": script, "settings": settings | changed} for changed in changes]
    try:
        return ensemble.run(run_case, cases, jobs, cluster, store or None, label="runs", modules=(script,))
    except ensemble.FailedCase as failed:
        error = failed.__cause__
        if not isinstance(error, UserError | OSError | MemoryError):
            raise error from None  # a fault of the code
        changed = next((changed for changed, case in zip(changes, cases, strict=True) if case == failed.case), {})
        where = ", ".join(f"{name} {words(value)}" for name, value in changed.items())
        raise UserError(f"{one_line(error)} ({where})") from error


# ---- the values and the seeds -----------------------------------------------------------------------------

def _parse_sweep(arguments, settings):
    """Return the setting's name and its values, of the type of the setting; of a tuple, each value alone."""
    spelling, *texts = arguments
    name = spelling.lstrip("-").replace("-", "_").lower()
    known = {setting: flag_of(setting)[2:] for setting in settings if setting != "seed"}
    if name == "seed":
        raise UserError("--sweep seed: expected another setting; --seeds takes the number of seeds, starting at SEED")
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        raise UserError(f"--sweep {spelling}: " + (f"no such setting, did you mean {known[close[0]]}?" if close else
                                                   f"expected one of {', '.join(known.values())}"))
    if not texts:
        raise UserError(f"--sweep {spelling}: expected values behind it, as in --sweep {spelling} "
                        f"{words(settings[name])}")
    several = isinstance(settings[name], tuple | list)
    values = [_typed(text, settings[name][0] if several else settings[name], known[name]) for text in texts]
    for value in values:
        if values.count(value) > 1:
            raise UserError(f"--sweep {known[name]}: {words(value)} is there {values.count(value)} times")
    return name, [(value,) for value in values] if several else values


def _typed(text, like, flag):
    if isinstance(like, str):
        return text
    try:
        if isinstance(like, bool):
            return {"yes": True, "no": False}[text]
        value = number(text) if isinstance(like, int) else float(text)
        if math.isfinite(value):
            return value
    except (ValueError, KeyError):
        pass
    expected = "yes or no" if isinstance(like, bool) else "an integer" if isinstance(like, int) else "a number"
    raise UserError(f"--sweep {flag}: {text!r} is a wrong value, expected {expected}")


def _refuse_seeds_of_files(name, values, settings, seeds):
    """Raise UserError for several seeds of a file of the user's, which is one sample whatever the seed."""
    file = next((values[0] if name == key else settings[key] for key in FILES if name == key or settings.get(key)), "")
    if file and seeds > 1:
        raise UserError(f"--seeds is {seeds}: the file {file} is one sample, and other seeds only draw from it again; "
                        "raise DRAWS, NULLS or REPLICATES instead")


def _spaced_seeds(count, name, values, settings):
    if not (isinstance(count, int) and count > 0):
        raise UserError(f"--seeds is {count}: expected a positive integer")
    if "seed" not in settings:
        if count > 1:
            raise UserError(f"--seeds is {count}: this script has no SEED, and each run would be the same")
        return [None]
    runs = values if name == "runs" else [settings.get("runs", 1)]
    spacing = max([1, *(value for value in runs if isinstance(value, int))])
    return list(range(settings["seed"], settings["seed"] + count * spacing, spacing))


def _only(value):
    return value[0] if isinstance(value, tuple | list) else value
