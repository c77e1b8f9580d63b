"""The claim on the growth of weights: the second source suspects a positive feedback."""
from ledger.comparisons import null, predicted, second
from ledger.rows import any_of, brief, each_in_words, of_row, pick, without
from ledger.verdicts import EXPLAINED, HOLDS, NOT, WHERE, Claim, Judgement, NotMeasured, first_true

RECIPE = "source's recipe"  # the net of weight_growth.py that is the source's own
FEWEST = 5  # runs that its verdict needs


def feedback(parts):
    """Judge whether changes grow with sizes in the source's recipe, and whether this is the doing of single weights.

    Inputs and units explain the growth if less than half of its exponent is left without their effects, and units do
    so alone if unit means give more than half of it. Else earlier changes explain the growth if weights that are
    doubled at random do not change more. The last window decides; what earlier ones show stands beside the number.
    """
    rows = [row for row in parts["growth"] if "bin" not in row]
    last = max((row["start"] for row in rows), default=0)
    nets = {row["net"]: row for row in pick(rows, start=last)}
    row, = pick(list(nets.values()), net=RECIPE)
    if (n := row["runs"] - row["without_result"]) < FEWEST:
        raise NotMeasured(f"{n} runs of the {RECIPE} are too few")
    half = row["exponent_low"] / 2
    earlier = [window for window in rows if window["net"] == RECIPE and window["start"] < last
               and window.get("exponent_low", 0) > 0]
    growing = {name: net["exponent_low"] > 0 for name, net in nets.items() if net["data"] != "noise"}
    return Judgement(f"exponent of |change| against |weight|, {RECIPE}, step {last:,}", of_row(row, "exponent"),
                     f"{n} runs",
                     "If a random half of the weights is doubled and the rest halved, the exponent of their changes is "
                     f"{brief(row['doubled_weights'])}. If this is done to the outgoing weights of whole units, the "
                     f"exponent of their incoming weights' changes is {brief(row['doubled_outgoing'])}. "
                     + each_in_words("For the net {name} the exponent is {value}", without(nets, RECIPE), "exponent")
                     + "".join(map(words_on, earlier)),
                     first_true((row["exponent_low"] <= 0, NOT),
                                (row["rest_high"] < half, EXPLAINED,
                                 "the units" if row["unit_means"] > row["exponent"] / 2 else "inputs and units"),
                                (row["doubled_weights_high"] < half, EXPLAINED, "earlier changes that go on"),
                                (not all(growing.values()), WHERE,
                                 f"where the net is {any_of(name for name, grows in growing.items() if grows)}"),
                                (True, HOLDS)),
                     predicted(low=0) | null("inputs and units alone", of_row(row, "same_effects"))
                     | second("Without the effects of inputs and units", "exponent of changes", of_row(row, "rest"),
                              **null("the same, shuffled", of_row(row, "rest_shuffled"))))


def words_on(window):
    """Return sentences on what an earlier window shows, each after a blank."""
    return (f" In the {RECIPE} the exponent from step {window['start']:,} on is {brief(window['exponent'])}. Without "
            f"the effects of inputs and units it is {brief(window['rest'])}, and of unit means alone "
            f"{brief(window['unit_means'])}.")


CLAIMS = (
    Claim("positive feedback in the gradients", "Large weights get larger changes", "in words", None,
          "exponent of changes", "in the last window the exponent of the source's recipe is above 0 in 95 % of the "
          "runs; inputs and units explain it if without their effects less than half of that bound is left in 95 % of "
          "the runs, and units alone if their means also give more than half of the median; if not, earlier changes "
          "explain it if weights doubled at random get less than half of that bound in 95 % of the runs; only if "
          "nothing explains it do the other nets count, all but the one on noise, and it holds as stated if it is "
          "above 0 in 95 % of the runs of each",
          feedback),
)
