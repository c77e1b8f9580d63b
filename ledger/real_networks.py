"""Claims on which real networks gradient networks resemble."""
import numpy as np

from ledger.comparisons import null, predicted, reference, second
from ledger.rows import any_of, brief, column, of_row, pick, share
from ledger.verdicts import EXPLAINED, HOLDS, WHERE, Claim, Judgement, NotMeasured, first_true

PART = "real networks"
SAME = "same in- and out-degrees"
SETTING = "rate 0.1"  # of the essay's net


def gradients(parts):
    """Return the rows of gradient networks that have numbers."""
    rows = [row for row in pick(parts[PART], kind="gradient") if "sigma_random" in row]
    if not rows:
        raise NotMeasured("every run is degenerate")
    return rows


def essay_row(parts):
    """Return the row of the essay's net at learning rate 0.1, and in words how many runs it has."""
    row = pick(gradients(parts), setting=SETTING)[0]
    return row, f"{row['runs'] - row['degenerate']} runs"


def compared(parts):
    """Return the rows of the real networks that gradient networks are compared with."""
    return pick(parts[PART], compared=True)


def social(parts):
    """Judge whether gradient networks show both marks of social networks as often as real social networks, in every
    setting; do networks of the same in- and out-degrees, too?"""
    rows, real = gradients(parts), [row for row in compared(parts) if row["kind"] in ("social", "collaboration")]
    usual = float(np.mean(column(real, "social")))
    if not usual:
        raise NotMeasured("no real social network shows both marks")
    sizes = [row["runs"] - row["degenerate"] for row in rows]
    total, lost = sum(sizes), sum(row["degenerate"] for row in rows)
    count, of_degrees = (sum(row[key] for row in rows) for key in ("social", "social_of_directed"))
    where = [row["network"] for row, size in zip(rows, sizes, strict=True) if row["social"] >= usual * size]
    essays, _ = essay_row(parts)
    return Judgement(
        "share with both marks of Newman and Park", share(count, total),
        f"{total} networks" + (f", {lost} runs have no network" if lost else ""),
        "The marks are a clustering and an assortativity above those of the same degrees. "
        f"Of {len(real)} real social networks, {sum(row['social'] for row in real)} show both. At learning rate 0.1 "
        f"the clustering is {brief(essays['clustering_over_null'])} times that of the same degrees.",
        first_true((len(where) == len(rows) and of_degrees >= usual * total, EXPLAINED, "the degrees"),
                   (len(where) == len(rows), HOLDS),
                   (where, WHERE, f"where the gradients are those of {any_of(where)}")),
        null(SAME, share(of_degrees, total)) | predicted(low=usual) | reference("social networks", usual)
        | second("Assortativity less that of the same degrees", "assortativity",
                 of_row(essays, "assortativity_less_null"),
                 **null(SAME, of_row(essays, "assortativity_less_null_of_directed")), **predicted(low=0)))


def linguistic_or_neural(parts):
    """Judge whether a linguistic or neural network is as near as real networks typically are to their nearest, in 95 %
    of the runs of every setting.

    Distances are root mean squares over eight measures, each beside networks of the same degrees.
    """
    rows, real = gradients(parts), compared(parts)
    typical = float(np.median(column(real, "distance")))
    essays, n = essay_row(parts)
    near, near_by_degrees = ([row["network"] for row in rows if row[key] <= typical]
                             for key in ("distance_named_high", "distance_named_of_directed_high"))
    outside = [measure for measure in essays["outside"].split(", ") if measure]
    return Judgement(
        "distance to the nearest one / typical distance of real networks", times(essays, "distance_named", 1 / typical),
        n, f"Most runs are nearest to {essays['nearest']}. The median is outside the range of all {len(real)} real "
        f"networks on {len(outside)} of 8 measures" + f": {', '.join(outside)}".replace("_", " ") * bool(outside) + ".",
        first_true((len(near) == len(near_by_degrees) == len(rows), EXPLAINED, "the degrees"),
                   (len(near) == len(rows), HOLDS), (near, WHERE, f"where the gradients are those of {any_of(near)}")),
        null(SAME, times(essays, "distance_named_of_directed", 1 / typical)) | reference("real networks", 1)
        | predicted(high=1))


def small_world(parts):
    """Judge whether sigma is above 1 in 95 % of the runs, beside random links and beside the same degrees."""
    row, n = essay_row(parts)
    return Judgement(
        "sigma beside random links", of_row(row, "sigma_random"), n,
        "Sigma is the clustering over that of a null model, divided by the same of path lengths. Beside the same "
        f"degrees it is {brief(row['sigma_null'])}.",
        first_true((row["sigma_random_low"] > 1 and row["sigma_null_low"] > 1, HOLDS),
                   (row["sigma_random_low"] > 1, EXPLAINED, "the degrees")),
        reference("random links", 1) | predicted(low=1)
        | second("Sigma beside the same degrees", "ratio", of_row(row, "sigma_null"), **reference("same degrees", 1)))


def information(parts):
    """Judge whether the information between degrees is above that of the same in- and out-degrees in 95 % of the runs.

    If it is above that of the same total degrees alone, the in- and out-degrees explain it.
    """
    row, n = essay_row(parts)
    return Judgement(
        "information / that of the same total degrees", of_row(row, "binned_information_over_null"), n,
        f"Between eight classes of degree it is {brief(row['binned_information'])} bits; between exact degrees "
        f"{brief(row['information'])} bits, of which networks of the same total degrees have "
        f"{brief(row['information_of_null'])}.",
        first_true((row["binned_information_over_directed_low"] > 1, HOLDS),
                   (row["binned_information_over_null_low"] > 1, EXPLAINED, "the in- and out-degrees")),
        reference("same total degrees", 1) | predicted(low=1)
        | second(f"Information / that of the {SAME}", "ratio", of_row(row, "binned_information_over_directed"),
                 **reference(SAME, 1)))


def times(row, key, factor):
    """Return a quantity of a row and its interval, multiplied by a factor."""
    return {name: value * factor for name, value in of_row(row, key).items()}


CLAIMS = (
    Claim("looks like a social network", "Gradient networks mix and cluster like social ones", "its title", None,
          "share", "in every setting both marks, clustering and assortativity above those of the same degrees, are as "
          "frequent as in real social networks", social),
    Claim("like linguistic or neural networks", "Gradient networks are like linguistic or neural ones", "in words",
          None, "ratio", "in 95 % of the runs of every setting, the nearest linguistic or neural network is as near as "
          "real networks typically are to their nearest", linguistic_or_neural),
    Claim("a small world", "Gradient networks are small worlds", "in words", None, "ratio",
          "sigma is above 1 in 95 % of the runs beside random links and beside the same degrees; degrees explain it if "
          "it is so beside random links alone", small_world),
    Claim("information beyond degrees", "Links hold information between degrees", "in words", None,
          "ratio", "in 95 % of the runs the information exceeds that of networks with the same in- and out-degrees; "
          "these degrees explain it if it exceeds only that of networks with the same total degrees", information),
)
