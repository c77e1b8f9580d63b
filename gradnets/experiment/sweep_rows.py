"""The rows of a sweep: medians and intervals over the seeds."""
import math

from gradnets.experiment.result import name_of
from gradnets.summaries import median_intervals

# What a sweep adds to the rows of a script, in capitals so that it meets no column of the script's own.
SEEDS, LOST = "SEEDS", "WITHOUT_RESULT"


def summarize(name, values, groups, names, seeds):
    """Return the rows of a sweep, as `run` describes them.

    groups : for each value a list of runs, each a list of rows; seeds : int, the number of runs at each value.
    """
    keys = dict.fromkeys(key for runs in groups for rows in runs for row in rows for key in row)
    numbers = [key for key in keys if key not in names and not key.endswith(("_low", "_high"))]
    any_lost = any(len(runs) < seeds for runs in groups)
    summary = []
    for value, runs in zip(values, groups, strict=True):
        head = {name.upper(): value} if name else {}
        tail = {LOST: seeds - len(runs)} if any_lost else {}
        if not runs:
            summary.append(head | {SEEDS: 0} | tail)
        named_runs = [{name_of(row, names): row for row in rows} for rows in runs]
        for row_name in dict.fromkeys(row_name for run in named_runs for row_name in run):
            rows = [run[row_name] for run in named_runs if row_name in run]
            row = head | {key: item for key, item in zip(names, row_name, strict=True) if item is not None}
            row |= {SEEDS: len(rows)} | tail
            for key in numbers:
                present = [+item[key] for item in rows if isinstance(item.get(key), int | float)]  # of a bool 0 or 1
                measured = [item for item in present if not math.isnan(item)]
                if measured:
                    row |= median_intervals(**{key: measured})
                if present and len(measured) < len(rows):
                    row[key + "_missing"] = len(rows) - len(measured)
            summary.append(row)
    return summary
