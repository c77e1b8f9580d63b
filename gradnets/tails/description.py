"""Describe the tail of a sample in one row, and sum up the rows of several runs."""
from collections import Counter

import numpy as np

from gradnets import summaries
from gradnets.tails import bootstrap, compression, extreme_values, laws, power_law

MOST_EXTREMES = 1 << 16  # number of values that `describe_extremes` looks at


def describe(values, replicates=200, seed=0):
    """Describe the tail and the body of a set of magnitudes.

    Parameters
    ----------
    values : real array, any shape, not negative
    replicates : int, positive
        Number of bootstrap replicates.
    seed : int, not negative, or numpy.random.Generator

    Returns
    -------
    row : dict
        `n` and `zeros`, the number of all values and of zeros; `skew` and excess `kurtosis` of the positive values.
        Of the tail of `fit`: `xmin`; `tail`, its share of the positive values; `alpha`; `alpha_error`; the ratio of
        `compare` under the name of each alternative; `p` of `bootstrap_p`; `verdict` in words; and
        `power_law_ruled_out`, by p below 0.1 or by a decided ratio. Of the largest 90 % of the positive values, where
        the body counts as well: `top_90_percent`, the verdict on them; and `beta`, the exponent of their stretched
        exponential (an exponential law has 1, heavier tails less, magnitudes of a normal law 1.4). Values without a
        tail have `n`, `zeros` and a verdict that says why.
    law : (float, str, dict) or None
        xmin, name and parameters of the best law of the tail, as `survival` takes them.
    """
    values = np.asarray(values)
    row = {"n": values.size, "zeros": values.size - np.count_nonzero(values)}
    try:
        positive, zeros = power_law.positive_values(values)
        logs = power_law.logarithms(positive)
        fit = power_law.fit_sorted(positive, logs, zeros)
        starts = fit.xmin, tenth_quantile(positive)
        firsts = [laws.first_of_tail(positive, start) for start in starts]
    except power_law.NoTail as error:
        return row | {"verdict": f"no tail: {error}"}, None
    everything, *parts = compression.weighted(positive, [0, *firsts])
    del positive
    tail_rows, body_rows = (laws.compare_weighted(*part, start) for part, start in zip(parts, starts, strict=True))
    p = bootstrap.p_of_fit(logs, fit, replicates, seed)
    skew, kurtosis = compression.moments(*everything)
    row |= {"skew": skew, "kurtosis": kurtosis, "xmin": fit.xmin, "tail": fit.n_tail / (fit.n - fit.zeros),
            "alpha": fit.alpha, "alpha_error": fit.sigma,
            **{tail_row["alternative"]: tail_row["ratio"] for tail_row in tail_rows}, "p": p}
    row["verdict"] = laws.verdict(tail_rows)
    if row["verdict"] == "power law" and row["p"] < 0.1:  # the best of these laws, and still the bootstrap rules it out
        row["verdict"] = "none of these laws"
    row["power_law_ruled_out"] = row["p"] < 0.1 or row["verdict"].endswith("not a power law")
    row["top_90_percent"] = laws.verdict(body_rows)
    row["beta"] = next(body_row["parameters"]["beta"] for body_row in body_rows
                       if body_row["alternative"] == "stretched_exponential")
    best = laws.best(tail_rows) or {"alternative": "power_law", "parameters": {"alpha": fit.alpha}}
    return row, (fit.xmin, best["alternative"], best["parameters"])


def describe_extremes(values, replicates=extreme_values.REPLICATES, seed=0):
    """Describe the tail of a set of magnitudes by extreme-value estimators, in columns beside those of `describe`.

    Parameters and meaning are those of `tail_indices`. At most 65,536 of the values count, drawn at random, since the
    time grows with their number times that of the replicates.

    Returns
    -------
    dict
        `xi_hill`, `xi_moments` and `xi_kernel`; `extreme_values`, the words of `classify`; and `power_law_by_extremes`,
        whether these words are a power law's. Values without an index have words that say so.
    """
    values, rng = np.asarray(values).ravel(), np.random.default_rng(seed)
    if values.size > MOST_EXTREMES:
        values = values[np.sort(rng.choice(values.size, MOST_EXTREMES, replace=False))]
    try:
        indices = extreme_values.tail_indices(values, replicates, rng)
    except power_law.NoTail:
        return {"extreme_values": "no estimate", "power_law_by_extremes": False}
    words = extreme_values.classify(indices)
    return {**{f"xi_{name}": index.xi for name, index in indices.items()}, "extreme_values": words,
            "power_law_by_extremes": words.startswith("power law")}


def tenth_quantile(ordered):
    """Return the quantile of sorted floats above which 90 % lie, interpolated as float64 as numpy.quantile does."""
    place = 0.1 * (len(ordered) - 1)
    below = int(place)
    low, high = map(float, ordered[below:below + 2])
    return low + (place - below) * (high - low)


def over_runs(rows):
    """Sum up rows of `describe` in one row.

    Numbers become medians with their middle 90 %, words the commonest words with their count, and bools the number of
    rows in which they are true. `runs` is the number of rows.
    """
    summary = {"runs": len(rows)}
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row[key] for row in rows if key in row]
        if isinstance(values[0], str):
            words, count = Counter(values).most_common(1)[0]
            summary[key] = f"{words}: {count} of {len(rows)}"
        elif isinstance(values[0], bool):
            summary[key] = sum(values)
        else:
            summary |= summaries.median_intervals(**{key: values})
    return summary
