"""Claims on the tails of weights, gradients and deltas."""
from gradnets import experiment
from ledger.comparisons import null, predicted, reference
from ledger.parts import PARTS
from ledger.rows import Row, any_of, brief, each_in_words, of_row, pick, share, without
from ledger.verdicts import EXPLAINED, HOLDS, NOT, WHERE, Claim, Judgement, NotMeasured, first_true

HEAVY = 2.0  # the skew of an exponential law, above which a tail is heavy
EXPONENTIAL = reference("exponential law", HEAVY)
SKEW_ON = "On {name} the skew is {value}"


def first_layers(parts, kind):
    """Return the rows of the first layer of nets on images and on noise, by data set, and of an untrained net.

    kind : "weights" or "gradients"
    """
    rows = pick(parts["tails"], layer=1, what=kind)
    trained = {row["data"]: row for row in rows if row["when"] == "after"}
    images = {data: row for data, row in trained.items() if not data.startswith("noise")}
    noise = {data: row for data, row in trained.items() if data.startswith("noise")}
    return images, noise, pick(rows, when="before", data=digits(images))[0]


def digits(rows):
    """Return the data set of digits that the rows by data set have: mnist, or in a trial glyphs."""
    return "mnist" if "mnist" in rows else "glyphs"


def last_deltas(parts):
    """Return the row of the deltas of the first hidden layer at the last step."""
    return max(pick(parts["deltas"], layer=1), key=lambda row: row["step"])


def heavy_weights(parts):
    """Judge whether trained weights have a larger skew than an exponential law, on all images and from any init."""
    images, _, untrained = first_layers(parts, "weights")
    small, large = experiment.settings("show_stats").init, PARTS["large init"].settings["init"]
    wide = pick(parts["large init"], layer=1, what="weights", when="after")[0]
    heavy = [data for data, row in images.items() if row["skew_low"] > HEAVY]
    where = [f"the data are {any_of(heavy)}"] * (len(heavy) < len(images))
    where += [f"the init is {small}"] * (wide["skew_low"] <= HEAVY)
    data = digits(images)
    return Judgement(f"skew of |weights| on {data}, from {small}", of_row(images[data], "skew"),
                     f"{images[data]['runs']} runs",
                     " ".join((each_in_words(SKEW_ON, without(images, data), "skew"),
                               f"From {large} the skew on {wide['data']} is {brief(wide['skew'])}.")).strip(),
                     first_true((not heavy, NOT), (where, WHERE, f"where {' and '.join(where)}"), (True, HOLDS)),
                     EXPONENTIAL | predicted(low=HEAVY) | null("untrained", of_row(untrained, "skew")))


def heavy_gradients(parts):
    """Judge whether the skew of gradients is above that of an exponential law, on all images."""
    images, noise, untrained = first_layers(parts, "gradients")
    heavy = [data for data, row in images.items() if row["skew_low"] > HEAVY]
    data = digits(images)
    return Judgement(f"skew of |gradients| on {data}", of_row(images[data], "skew"), f"{images[data]['runs']} runs",
                     each_in_words(SKEW_ON, without(images, data) | noise, "skew"),
                     first_true((len(heavy) == len(images), HOLDS),
                                (heavy, WHERE, f"where the data are {any_of(heavy)}")),
                     EXPONENTIAL | predicted(low=HEAVY) | null("untrained", of_row(untrained, "skew")))


def heavy_deltas(parts):
    """Judge whether the skew of deltas is above that of an exponential law, also within samples."""
    row = last_deltas(parts)
    return Judgement(f"skew of |deltas| at step {row['step']:,}", of_row(row, "skew"), f"{row['runs']} runs",
                     f"Among the deltas of one sample the skew is {brief(row['skew_within'])}.",
                     first_true((row["skew_low"] <= HEAVY, NOT),
                                (row["skew_within"] < row["skew"] / 2, EXPLAINED, "samples that differ in scale"),
                                (True, HOLDS)),
                     EXPONENTIAL | predicted(low=HEAVY) | null("within one sample", of_row(row, "skew_within")))


def no_power_law(parts):
    """Judge whether a power law is ruled out in nine of ten tails of each kind, by Clauset's method."""
    return ruled_out_by(parts, "power_law_ruled_out",
                        "What rules it out is a bootstrap of the searched tail (p < 0.1), or a law that fits better.")


def no_power_law_by_extremes(parts):
    """Judge whether extreme-value estimators find no power law in nine of ten tails of each kind."""
    return ruled_out_by(parts, "no_power_law_by_extremes",
                        "What rules it out is an index of at most 1/4 by one of three extreme-value estimators.")


def ruled_out_by(parts, key, means):
    """Judge by the numbers of nets under `key`; `means` is a sentence on what rules a power law out."""
    counts = {}  # tails: [how often a power law is ruled out, number of nets]
    for kind in ("weights", "gradients"):
        images, *_ = first_layers(parts, kind)
        counts[kind] = [sum(column) for column in zip(*(ruled_out(row, key) for row in images.values()), strict=True)]
    counts["deltas"] = ruled_out(last_deltas(parts), key)
    least = min(counts, key=lambda kind: counts[kind][0] / counts[kind][1])
    kinds = [kind for kind, (count, total) in counts.items() if count >= 0.9 * total]
    return Judgement(f"share of tails of {least} where it is ruled out", share(*counts[least]),
                     f"{counts[least][1]} nets",
                     " ".join(f"A power law is ruled out in {count} of {total} tails of {kind}."
                              for kind, (count, total) in counts.items()) + f" {means}",
                     first_true((len(kinds) == len(counts), HOLDS),
                                (kinds, WHERE, f"where the tails are those of {any_of(kinds)}")),
                     predicted(low=0.9))


def ruled_out(row, key):
    """Return in how many of the nets of a row a power law is ruled out, and the number of nets."""
    count = row["runs"] - row["power_law_by_extremes"] if key == "no_power_law_by_extremes" else row[key]
    return count, row["runs"]


def stretched(parts):
    """Judge whether a stretched exponential with an exponent below 1 fits best, on all images."""
    images, _, untrained = first_layers(parts, "weights")
    best = {data: row["top_90_percent"] for data, row in images.items()}
    stretched_on = [data for data, law in best.items()
                    if law.startswith("stretched") and images[data]["beta_high"] < 1]
    data = digits(images)
    return Judgement(f"exponent over the top 90 % on {data}", of_row(images[data], "beta"),
                     f"{images[data]['runs']} runs",
                     " ".join(f"On {name} the best law is a {law.replace(': ', ' (')} runs)."
                              for name, law in best.items()),
                     first_true((len(stretched_on) == len(images), HOLDS),
                                (stretched_on, WHERE, f"where the data are {any_of(stretched_on)}")),
                     reference("exponential law", 1) | predicted(high=1) | null("untrained", of_row(untrained, "beta")))


def lost_on_noise(parts):
    """Judge whether weights trained on noise are about as skewed as untrained ones, and less than on images."""
    images, noise, untrained = first_layers(parts, "weights")
    worst = max(noise, key=lambda data: noise[data]["skew"])
    least_on_images = min(row["skew_low"] for row in images.values())
    return Judgement(f"skew of |weights| on {worst}", of_row(noise[worst], "skew"), f"{noise[worst]['runs']} runs",
                     each_in_words(SKEW_ON, images, "skew"),
                     first_true((noise[worst]["skew_low"] <= 1.2 * untrained["skew"]
                                 and noise[worst]["skew_high"] < least_on_images, HOLDS)),
                     EXPONENTIAL | predicted(high=1.2 * untrained["skew"])
                     | null("untrained", of_row(untrained, "skew")))


def fractal(parts):
    """Judge whether a fractal's logarithms are as close to the gradient's as a normal law is."""
    gradients = Row({row["matrix"].removesuffix(" gradient"): row for row in parts["fractal"]
                     if "normal_is_closer" in row})
    row = gradients[digits(gradients)]
    closer, total = row["normal_is_closer"], row["runs"]
    if total < 5:
        raise NotMeasured(f"{total} runs are too few to tell the fractal's law from a normal one")
    return Judgement(f"KS distance of logarithms, {row['matrix']}", of_row(row, "large_order_distance"),
                     f"{total} runs",
                     f"Before standardising the distance is {brief(row['raw_distance'])}. A normal law is nearer in "
                     f"{closer} of {total} runs.",
                     first_true((row["large_order_distance"] > 0.2, NOT),
                                (share(closer, total)["value_high"] >= 0.5, EXPLAINED,
                                 "any product's normal logarithm"), (True, HOLDS)),
                     predicted(high=0.2) | null("normal law", of_row(row, "normal_distance")))


CLAIMS = (
    Claim("trained weights have heavy tails", "Trained weights have heavy tails", "histogram", None, "skew",
          "95 % of the runs have a skew above 2, on all images and from both inits", heavy_weights),
    Claim("gradients have heavy tails", "Gradients have heavy tails", "in words", None, "skew",
          "95 % of the runs have a skew above 2, on all images", heavy_gradients),
    Claim("cached deltas have heavy tails", "Deltas have heavy tails", "histogram", None, "skew",
          "95 % of the runs have a skew above 2; samples explain it if the skew within samples is less than half",
          heavy_deltas),
    Claim("not a power law", "No tail is a power law", "by eye", None, "share",
          "a power law is ruled out in nine of ten tails of weights, of gradients and of deltas", no_power_law),
    Claim("not a power law by extreme values", "Extreme values, too, rule power laws out", "by eye", None, "share",
          "three estimators of Voitalov and others (2019) find no power law in nine of ten tails of each kind",
          no_power_law_by_extremes),
    Claim("perhaps stretched exponential", "Weights may follow a stretched exponential", "a guess", None, "exponent",
          "a stretched exponential with an exponent below 1 fits best, on all images", stretched),
    Claim("lost on noise", "On noise, weights have no heavy tails", "histogram", None, "skew",
          "the skew is at most 1.2 times that of untrained weights, and lower than on images", lost_on_noise),
    Claim("a Kronecker fractal has a like histogram", "A Kronecker fractal has the same histogram", "by eye", None,
          "share", "the distance is at most 0.2; any product explains it if a normal law may be nearer in half of all "
          "runs", fractal),
)
