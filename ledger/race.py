"""The claim that second order pays: the race of curvature methods and their rivals on the clock."""
from ledger.comparisons import predicted, reference
from ledger.rows import brief, pick, share
from ledger.verdicts import HOLDS, NOT, WHERE, Claim, Judgement, NotMeasured, first_true

FEWEST = 5      # runs that its verdict needs
MARGIN = 1.1    # times as fast as the best rival, that a win needs


def second_order_pays(parts):
    """Judge whether a curvature method is first to every loss on every task, and else on which tasks it is.

    A task counts as won if a curvature method is first to each of its losses, and as won near the minimum if it is
    first to the lowest ones, from some loss on.
    """
    rows = [row for row in parts["curvature race"] if "method" not in row and row["first"] != "none"]
    if not rows or rows[0]["runs"] < FEWEST:
        raise NotMeasured("the race has too few runs, or reaches no loss that counts")
    tasks = {row["task"]: pick(rows, task=row["task"]) for row in rows}
    where = []
    for task, losses in tasks.items():
        lost = [place for place, row in enumerate(losses) if not _won(row)]
        if not lost:
            where.append(task)
        elif lost[-1] < len(losses) - 1:
            where.append(f"{task} below {losses[lost[-1]]['what'].removeprefix(f'{task}, ')}")
    led = {}
    for row in rows:
        if row["first"] == row["rival"]:
            led.setdefault(row["rival"], []).append(row["what"])
    alone = sum(row["first"] == row["fastest"] and row["rival"] == "none" for row in rows)
    widest = max((row for row in rows if "sooner" in row and _won(row)), key=lambda row: row["sooner"], default=None)
    context = [f"No rival arrives at {alone} of these losses in the time given."]
    if widest:
        context.append(f"The largest ratio is that of {widest['fastest']} on {widest['task']}, "
                       f"{brief(widest['sooner'])} times as fast as {widest['rival']}.")
    context += [f"{rival} is first at {'; '.join(losses)}." for rival, losses in led.items()]
    wins = sum(map(_won, rows))
    first = {key: 100 * value for key, value in share(wins, len(rows)).items()}
    return Judgement("losses that a curvature method reaches first, %", first,
                     f"{len(rows)} losses on {len(tasks)} tasks", " ".join(context),
                     first_true((wins == len(rows), HOLDS), (where, WHERE, f"where the task is {', '.join(where)}"),
                                (True, NOT)),
                     predicted(low=100) | reference("every loss", 100))


def _won(row):
    """Return whether a curvature method is first to a loss by more than the margin."""
    return row["first"] == row["fastest"] and (row["rival"] == "none" or row["sooner"] > MARGIN)


CLAIMS = (
    Claim("second order pays", "Second order reaches every loss first", "hoped for", None,
          "percent of losses", "on every task and for every loss the median time of a curvature method is less than "
          f"that of Adam, Muon and L-BFGS by a factor of more than {MARGIN:g}, or no rival arrives; the losses are 2, "
          "1.2, 1.05 and 1.0001 times the lowest on the seed, or absolute for the smooth function; it holds in places "
          "if this is so on a whole task, or on a task below some loss", second_order_pays),
)
