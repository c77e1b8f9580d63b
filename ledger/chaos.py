"""Claims on chaos in training: attractors, entropy, and two recent ones on the edge of chaos."""
from gradnets import dynamics
from ledger.comparisons import null, predicted, reference, second
from ledger.rows import any_of, brief, column, pick, share, spread
from ledger.verdicts import EXPLAINED, HOLDS, NOT, WHERE, Claim, Judgement, NotMeasured, first_true

STRANGE, COLLAPSED, DRIFTS = "strange attractor", "chaotic, net dead", "drifts"  # regimes of attractor.py
FULL_BATCH, SINGLE_SAMPLES = "full batch", "single samples"
FEWEST = 5    # runs that a ratio needs
NEAR = 1.5    # factor between two learning rates that counts as equal


def settings_where(runs, regimes):
    """Return the settings, in words, at which more than half of the runs are in some regimes, and how many there are.
    """
    groups = {}
    for run in runs:
        decay = f"decay {run['decay']:g}" if run["decay"] else "no decay"
        groups.setdefault(f"{run['training']}, {decay}, rate {run['learning_rate']:g}", []).append(run["regime"])
    return [name for name, found in groups.items()
            if sum(regime in regimes for regime in found) > len(found) / 2], len(groups)


def in_short(where, settings):
    """Return the settings in a few words: the only one by its name, several by their number."""
    if len(where) == 1:
        return f"where training is {where[0]}"
    decaying = "the weights decay" if not any("no decay" in name for name in where) else "orbits settle"
    return f"where {decaying}, at {len(where)} of {settings} settings"


def runs_of(parts):
    """Return the rows of single runs of attractor.py, without controls and settings."""
    runs = [row for row in parts["attractor"] if "regime" in row]
    if not runs:
        raise NotMeasured("no run has a regime")
    return runs


def counted(runs, regimes):
    """Return the share of runs that are in some regimes, with its interval."""
    return share(sum(run["regime"] in regimes for run in runs), len(runs))


def attractor_structure(parts):
    """Judge whether training settles on a chaotic orbit with a net that is alive."""
    runs = runs_of(parts)
    where, settings = settings_where(runs, (STRANGE,))
    groups = {"without weight decay": pick(runs, decay=0.0), "with decay": [run for run in runs if run["decay"]]}
    plain, decaying = (counted(group, (STRANGE,)) for group in groups.values())
    drifting = counted(groups["without weight decay"], (DRIFTS,))["value"]
    strange = [run for run in runs if run["regime"] == STRANGE]
    words = (f" Their orbits have a median entropy of {brief(spread(column(strange, 'entropy'))['value'])} nats per "
             "step." if strange else "")
    return Judgement("share of runs on a strange attractor, no weight decay", plain, f"{len(runs)} runs",
                     f"Without weight decay {100 * drifting:.0f} % of the orbits drift, and have no dimension. "
                     f"With decay {100 * decaying['value']:.0f} % end on a strange attractor, and "
                     f"{100 * counted(groups['with decay'], (COLLAPSED,))['value']:.0f} % are chaotic with a dead "
                     f"net.{words}",
                     first_true((len(where) == settings, HOLDS), (where, WHERE, in_short(where, settings))),
                     predicted(low=0.5) | second("With weight decay", "share", decaying))


def entropy(parts):
    """Judge whether settled orbits produce Kolmogorov-Sinai information."""
    runs = runs_of(parts)
    where, settings = settings_where(runs, (STRANGE, COLLAPSED))
    plain = pick(runs, decay=0.0)
    finite = [run for run in plain if "entropy" in run]
    alive = [run for run in runs if run["regime"] == STRANGE]
    dead = [run for run in runs if run["regime"] == COLLAPSED]
    words = "".join(f"On {name} the median is {brief(spread(column(group, 'entropy'))['value'])}. "
                    for name, group in (("strange attractors", alive), ("chaotic orbits of dead nets", dead))
                    if group)
    return Judgement("sum of positive exponents, no weight decay", spread(column(finite, "entropy")),
                     f"{len(runs)} runs", words +
                     "An orbit that drifts has exponents of a few steps, and no invariant measure whose entropy they "
                     "sum to.",
                     first_true((len(where) == settings, HOLDS), (where, WHERE, in_short(where, settings))),
                     predicted(low=0.0)
                     | (second("On strange attractors", "entropy", spread(column(alive, "entropy"))) if alive else {}))


def training_time(parts):
    """Judge whether nets learn fastest at the rate where the largest exponent turns positive."""
    rows = [row for row in parts["edge of chaos"] if "ratio" in row]
    sizes = {size: spread(column(pick(rows, batch_size=size), "ratio"))
             for size in dict.fromkeys(row["batch_size"] for row in rows)}
    if not sizes or min(sum(row["batch_size"] == size for row in rows) for size in sizes) < FEWEST:
        raise NotMeasured("fewer than five runs of a batch size both learn and are chaotic at some rate")
    near = [f"batches have {size} samples" for size, ratio in sizes.items()
            if ratio["value_low"] >= 1 / NEAR and ratio["value_high"] <= NEAR]
    each = " ".join(f"With {size} samples per step the ratio is {brief(ratio['value'])}."
                    for size, ratio in sizes.items())
    sensitive = [row for row in rows if "sensitive_ratio" in row]
    each += " With a threshold of 0.005, which a slow drift may also reach, the ratios are "
    each += ", ".join(f"{brief(spread(column(pick(sensitive, batch_size=size), 'sensitive_ratio'))['value'])} "
                      f"({size} samples)" for size in dict.fromkeys(row["batch_size"] for row in sensitive)) + "."
    return Judgement("fastest rate / rate where chaos begins", spread(column(rows, "ratio")), f"{len(rows)} runs",
                     f"{each} Chaos begins at the smallest rate whose exponent is above {dynamics.NEAR_ZERO:g} in the "
                     "second half of training.",
                     first_true((len(near) == len(sizes), HOLDS), (near, WHERE, f"where {any_of(near)}")),
                     reference("the same rate", 1.0) | predicted(low=1 / NEAR, high=NEAR))


def generalisation(parts):
    """Judge whether a dimension of the whole spectrum goes with generalisation better than trace or sharpness."""
    rows = [row for row in parts["edge of chaos"] if "predictor" in row]
    groups = {}
    for row in rows:
        groups.setdefault(row["batches"], {})[row["predictor"]] = row

    def better(group, rivals):
        return group["dimension"]["correlation_low"] > 0 and all(group[rival]["lead_low"] > 0 for rival in rivals)

    if "all" not in groups:
        raise NotMeasured("too few nets learn for a rank correlation")
    rivals, everything = ("trace", "largest"), groups["all"]
    where = [f"batches have {size} samples" for size, group in groups.items()
             if size != "all" and better(group, (*rivals, "learning_rate"))]

    def number(predictor):
        return {"value" + end: everything[predictor]["correlation" + end] for end in ("", "_low", "_high")}

    best = max(rivals, key=lambda rival: abs(everything[rival]["correlation"]))
    name = {"trace": "the trace", "largest": "the largest eigenvalue"}[best]
    return Judgement("rank correlation of sharpness dimension and gap", number("dimension"),
                     f"{everything['dimension']['nets']} nets",
                     f"The trace has {brief(everything['trace']['correlation'])}, the largest eigenvalue "
                     f"{brief(everything['largest']['correlation'])}, and the learning rate alone "
                     f"{brief(everything['learning_rate']['correlation'])}.",
                     first_true((better(everything, (*rivals, "learning_rate")), HOLDS),
                                (better(everything, rivals), EXPLAINED, "the learning rate"),
                                (where, WHERE, f"where {any_of(where)}"), (True, NOT)),
                     predicted(low=0.0) | null("learning rate alone", number("learning_rate"))
                     | second(f"By {name}", "correlation", number(best)))


CLAIMS = (
    Claim("training has a strange attractor", "Training ends on an attractor with a structure of its own", "in words",
          None, "share", "in more than half of the runs of every setting the orbit is settled (drift at most 0.3 "
          "standard deviations), chaotic (exponent above log(n) / n after n steps), and the net alive (outputs spread "
          "above 0.02, accuracy above twice the commonest digit's share)", attractor_structure),
    Claim("Kolmogorov-Sinai information", "Training produces information, by its positive exponents", "in words", None,
          "entropy", "in more than half of the runs of every setting the orbit is settled and chaotic, also if the net "
          "is dead", entropy),
    Claim("fastest at the onset of chaos", "Nets learn fastest where chaos begins", "arXiv 2506.08523", None, "ratio",
          f"the fastest rate is within a factor of {NEAR:g} of the rate where chaos begins in 95 % of the runs, at "
          "every batch size", training_time),
    Claim("generalisation by a whole-spectrum dimension", "Generalisation goes with the sharpness dimension",
          "arXiv 2604.19740", None, "correlation", "over the nets that have learned its rank correlation with test "
          "less training loss is positive, and larger than those of trace, largest eigenvalue and learning rate, each "
          "in 95 % of the bootstrap's draws; the learning rate explains it if it alone is not exceeded",
          generalisation),
)
