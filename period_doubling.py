"""Does gradient descent become chaotic by doubling its period, with Feigenbaum's constant?

As the learning rate rises, full-batch descent x - η g(x) first settles at a minimum. At the edge of stability the
minimum flips: descent alternates between two points, a cycle of period 2. If 2 becomes 4, 8, 16 and so on, the
distances between these rates shrink by 4.669 per doubling in a wide class of maps (Feigenbaum 1978). A cycle can also
end in a torus, where a complex pair of multipliers leaves the unit circle.

Control: the double well x - η (x³ - x), with its superstable rates. Nets: one hidden layer of tanh units and one tanh
output, on pooled images of two classes, with weight decay. Some labels are wrong, so that the minimum is finite.
Newton's method follows each cycle as the rate rises, its multipliers say where and how it ends, and the next cycle is
followed in turn. Beside each such crossing stands whether the net is alive: a net whose outputs hardly differ between
images has collapsed, and its descent is the map of a single output bias.

A net jumps if the next cycle is unstable at birth and no stable one is found near. The rows also hold the crossings of
every net, with rates, multipliers, spread of outputs and length of the weights.
Figure: bifurcation diagrams of the double well and of three nets (collapsed, torus, alive and doubling), the ratios of
distances by doubling, and how the cycles end at each weight decay.

Source: Howon Lee's notes expect universality "closer in spirit to Feigenbaum's discovery"; Mitchell Feigenbaum,
*Quantitative universality for a class of nonlinear transformations*, 1978.

Takes 60 s on one core; --quick takes 10 s.
"""
import itertools
from typing import NamedTuple

import numpy as np
import scipy

from gradnets import checks, cycles, datasets, experiment, plots, summaries
from gradnets.errors import NoResult, UserError
from gradnets.progress import progress

DATASET = "glyphs"          # data set of square images: glyphs, noise, mnist, cifar10
SIDE = 4                    # side of the images after pooling, in pixels
IMAGES = 40                 # number of training images, which are the full batch
WRONG_LABELS = 0.1          # share of the images whose label is drawn wrong, in [0, 0.5)
HIDDEN_UNITS = 1            # number of hidden tanh units
DECAYS = (0.05, 0.02, 0.01)  # weight decays of all parameters, one group of nets per number
LONGEST = 256               # longest period that is followed, a power of 2 and at least 4
LARGEST = 20.0              # largest learning rate, in units of the edge of stability
WELL_RATES = 11             # number of superstable rates of the double well, at least 3
RUNS = 20                   # number of nets at each weight decay, with seeds starting at SEED
SEED = 0                    # seed of classes, images, labels and weights

# ---- not flags --------------------------------------------------------------------------------------------

TARGET = 0.8         # of the one class; the other has -0.8
INIT = 0.5           # standard deviation of the initial weights
ALIVE = 0.01         # spread of outputs, between -1 and 1, from which on a net is alive
POOL = 3000          # images from which each net draws its own
BELOW_EDGE = 0.9     # rate, in units of the edge, at which the minimum is taken over
DIAGRAM_RATES, DIAGRAM_DISCARDED, DIAGRAM_KEPT = 600, 800, 120  # of a bifurcation diagram: rates, steps before, points
WELL = "double well"
DEAD_CASCADE, LIVE_CASCADE, TORUS, JUMP = "doubles, collapsed", "doubles, alive", "torus", "jumps"
OUTCOMES = (TORUS, LIVE_CASCADE, DEAD_CASCADE, JUMP)
LOOKS = {TORUS: (plots.BLUE, "//"), LIVE_CASCADE: (plots.RED, ""), DEAD_CASCADE: (plots.ORANGE, ".."),
         JUMP: (plots.PALE, "")}
COLUMNS = ("torus", "live_cascades", "dead_cascades", "last_ratio_live", "last_ratio_dead")
HEADINGS = {"decay": "weight decay", "torus": "torus", "live_cascades": "double alive",
            "dead_cascades": "double collapsed", "last_ratio_live": "last ratio alive",
            "last_ratio_dead": "last ratio collapsed"}
QUICK = {"runs": 5, "longest": 32}


class Run(NamedTuple):
    """A net, and how its cycles end as the rate rises.

    Attributes
    ----------
    decay : float
    seed : int
    descent : cycles.Descent
    edge : float
        The rate 2 / sharpness at the minimum.
    minimum : float64 (p,)
    rows : list of dict
        One per crossing: kind, period, rate in units of the edge, and whether the net is alive.
    outcome : str
        One of OUTCOMES.
    """

    decay: float
    seed: int
    descent: object
    edge: float
    minimum: np.ndarray
    rows: list
    outcome: str

    def ratios(self):
        """Return the ratios of the distances between flips that double the period to the end, or none."""
        if self.outcome not in (LIVE_CASCADE, DEAD_CASCADE):
            return np.array([])
        return cycles.ratios([row["rate"] for row in doublings(self.rows)])


def main(settings):
    check(settings)
    dataset = datasets.pool(datasets.load(settings.dataset, limit=POOL), settings.side)
    well = superstable_rates(settings.well_rates)
    runs, lost = [], []
    cases = list(itertools.product(dict.fromkeys(settings.decays), range(settings.runs)))
    for decay, run in progress(cases, len(cases), "nets"):
        try:
            runs.append(measure(dataset, decay, settings.seed + run, settings))
        except NoResult as error:
            lost.append((decay, error))
    if not runs:
        raise NoResult(f"no net has a minimum to start from: {lost[0][1]}")
    rows = [{"system": WELL, "crossing": level, "period": 2**level, "rate": rate} for level, rate in enumerate(well)]
    for level, ratio in enumerate(cycles.ratios(well), start=1):
        rows[level] |= {"ratio": ratio}
    printed = [summary(decay, [run for run in runs if run.decay == decay], settings.runs)
               for decay in dict.fromkeys(settings.decays)]
    rows += printed
    rows += map(run_row, runs)
    for run in runs:
        rows += [{"system": "net", "decay": run.decay, "seed": run.seed, "outcome": run.outcome} | row
                 for row in run.rows]
    finding = finding_of(runs)
    figure = picture(well, runs, finding, caption(dataset, runs, len(lost), settings))
    return experiment.Result(rows, names=("system", "decay", "seed", "crossing"), columns=COLUMNS, headings=HEADINGS,
                             printed=printed, finding=finding, figure=figure, data=[dataset.provenance],
                             suggestion="--hidden-units 2 gives each net two units")


def check(settings):
    checks.nonempty_tuples(decays=settings.decays)
    checks.positive_integers(images=settings.images, side=settings.side, hidden_units=settings.hidden_units,
                             longest=settings.longest, runs=settings.runs, well_rates=settings.well_rates)
    if settings.longest < 4 or settings.longest & (settings.longest - 1):
        raise UserError(f"longest is {settings.longest}: expected a power of 2 and at least 4, such as 64")
    if not 3 <= settings.well_rates <= 14:
        raise UserError(f"well_rates is {settings.well_rates}: expected 3 to 14")
    if not 0 <= settings.wrong_labels < 0.5:
        raise UserError(f"wrong_labels is {settings.wrong_labels:g}: expected a share of at least 0 and below 0.5")
    if not 1 < settings.largest < np.inf:
        raise UserError(f"largest is {settings.largest:g}: expected a finite number above 1")
    for decay in settings.decays:
        if not 0 < decay < 1:
            raise UserError(f"a weight decay is {decay:g}: expected a number between 0 and 1")


# ---- the control ------------------------------------------------------------------------------------------

def superstable_rates(count):
    """Return the superstable rates of the double well, float64 (count,)."""
    def critical(rate):
        point = np.sqrt((1 + 1 / rate) / 3)
        return point, -1 / (6 * rate**2 * point)

    return cycles.superstable_rates(lambda x, rate: (x - rate * (x**3 - x), 1 - rate * (3 * x**2 - 1), x - x**3),
                                    critical, 0.5, 1.1, count)


# ---- nets -------------------------------------------------------------------------------------------------

def make_descent(dataset, decay, seed, settings):
    """Return the descent of one net, and its initial point (p,)."""
    rng = np.random.default_rng(seed)
    first, second = rng.choice(dataset.classes, 2, replace=False)
    places = np.flatnonzero(np.isin(dataset.labels, (first, second)))
    if len(places) < settings.images:
        raise UserError(f"images is {settings.images}: two classes of {dataset.name} have {len(places)}")
    places = rng.choice(places, settings.images, replace=False)
    inputs = dataset.inputs[places] - dataset.inputs[places].mean(axis=0)
    signs = np.where(rng.random(settings.images) < settings.wrong_labels, -1, 1)
    targets = TARGET * signs * np.where(dataset.labels[places] == first, 1, -1)
    descent = cycles.Descent(inputs, targets, settings.hidden_units, decay)
    return descent, rng.normal(0, INIT, descent.size)


def measure(dataset, decay, seed, settings):
    """Follow the cycles of one net as the rate rises; raise NoResult if it has no minimum to start from."""
    descent, start = make_descent(dataset, decay, seed, settings)
    point = scipy.optimize.minimize(descent.loss, start, jac=descent.gradient, method="L-BFGS-B",
                                    options={"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-16, "gtol": 1e-9}).x
    edge = 2 / scipy.linalg.eigvalsh(descent.hessian(point))[-1]
    minimum = cycles.find(descent.around, point, BELOW_EDGE * edge, 1)
    if not minimum.radius < 1:
        raise NoResult(f"weight decay {decay:g}, seed {seed}: Newton's method finds no minimum")
    edge = 2 / scipy.linalg.eigvalsh(descent.hessian(minimum.point))[-1]
    crossings = cycles.cascade(descent.around, descent.orbit, minimum, 0.01 * edge, settings.largest * edge,
                               settings.longest)
    rows = [describe(descent, crossing, edge) | {"crossing": k} for k, crossing in enumerate(crossings)]
    return Run(decay, seed, descent, edge, minimum.point, rows, outcome_of(rows, settings.longest))


def describe(descent, crossing, edge):
    """Return the row of one crossing: how a cycle ends, and whether the net is alive there."""
    cycle = crossing.cycle
    points = descent.orbit(cycle.point, cycle.rate, 0, cycle.period)
    spread = max(descent.outputs(point).std() for point in points)
    return {"kind": crossing.kind, "period": cycle.period, "rate": float(cycle.rate / edge),
            "angle": float(abs(np.angle(crossing.multiplier)) / (2 * np.pi)), "spread": float(spread),
            "weights": float(np.linalg.norm(np.delete(points[0], -1))), "alive": bool(spread > ALIVE)}


def doublings(rows):
    """Return the last run of flips in which each period is twice the one before."""
    last = []
    for row in rows:
        if row["kind"] != cycles.FLIP:
            last = []
        elif last and row["period"] != 2 * last[-1]["period"]:
            last = [row]
        else:
            last = [*last, row]
    return last


def outcome_of(rows, longest):
    """Return how the cycles of a net end: one of OUTCOMES.

    Periods double if the flips go on, each of twice the period, up to the longest one, or to half of it. A net jumps if
    no stable cycle is found beyond its last crossing.
    """
    if rows and rows[-1]["kind"] == cycles.TORUS:
        return TORUS
    flips = doublings(rows)
    if len(flips) >= 3 and flips[-1]["period"] >= longest // 2:
        return LIVE_CASCADE if flips[-1]["alive"] else DEAD_CASCADE
    return JUMP


# ---- rows, finding, figure --------------------------------------------------------------------------------

def with_outcome(runs, *outcomes):
    return [run for run in runs if run.outcome in outcomes]


def summary(decay, runs, total):
    """Return the row of a weight decay: how many nets end in which way, and the last ratios of those that double."""
    row = {"system": "nets", "decay": decay, "runs": total, "without_result": total - len(runs),
           "torus": len(with_outcome(runs, TORUS)), "live_cascades": len(with_outcome(runs, LIVE_CASCADE)),
           "dead_cascades": len(with_outcome(runs, DEAD_CASCADE)), "jumps": len(with_outcome(runs, JUMP)),
           "live_torus": sum(run.rows[-1]["alive"] for run in with_outcome(runs, TORUS))}
    for name, outcome in (("live", LIVE_CASCADE), ("dead", DEAD_CASCADE)):
        last = [run.ratios()[-1] for run in with_outcome(runs, outcome)]
        row |= summaries.median_intervals(**{f"last_ratio_{name}": last}) if last else {}
    return row


def run_row(run):
    """Return the row of one net: how its cycles end, and the last ratio of distances if its periods double."""
    row = {"system": "net", "decay": run.decay, "seed": run.seed, "edge": run.edge, "outcome": run.outcome,
           "alive": bool(run.rows) and run.rows[-1]["alive"]}
    return row | ({"last_ratio": float(run.ratios()[-1])} if len(run.ratios()) else {})


def finding_of(runs):
    """State how the cycles of living nets end."""
    torus = sum(run.rows[-1]["alive"] for run in with_outcome(runs, TORUS))
    return (f"{len(with_outcome(runs, LIVE_CASCADE))} living nets double their periods to the end, and {torus} reach a "
            "torus")


def caption(dataset, runs, lost, settings):
    sizes = f"{dataset.inputs.shape[1]}-{settings.hidden_units}-1"
    wrong = 100 * settings.wrong_labels
    return (f"{dataset.name}, two classes, {settings.images} images, {wrong:g} % wrong labels; {sizes} tanh nets, full "
            f"batch. n = {len(runs)} nets, {lost} without a minimum; periods up to {settings.longest}.\n"
            f"A net is alive if its outputs differ by more than {ALIVE:g} (standard deviation over images). Rates of "
            "nets are in units of the edge of stability.")


@plots.styled
def picture(well, runs, title, caption):
    figure, panels = plots.figure([["well", "dead"], ["torus", "live"], ["ratios", "outcomes"]], 11.5, 10.5, title,
                                  caption)
    draw_well(panels["well"], well)
    draw_net(panels["dead"], with_outcome(runs, DEAD_CASCADE), "a net that collapses, then doubles its period")
    torus = [run for run in with_outcome(runs, TORUS) if run.rows[-1]["alive"]]
    draw_net(panels["torus"], torus, "a living net that ends in a torus")
    draw_net(panels["live"], with_outcome(runs, LIVE_CASCADE), "a living net that doubles its period")
    draw_ratios(panels["ratios"], well, runs)
    draw_outcomes(panels["outcomes"], runs)
    return figure


def draw_well(axes, well):
    """Draw the bifurcation diagram of the double well, with its superstable rates."""
    rates = np.linspace(0.9, 1.5, 1500)
    x = np.full(len(rates), 0.7)
    for step in range(1200):
        if step >= 1000:
            axes.plot(rates, x, ",", color=plots.INK, alpha=0.15, rasterized=True)
        x = x - rates * (x**3 - x)
    shown = well[1:6]
    axes.plot(shown, np.full(len(shown), 0.02), "^", color=plots.RED, ms=4, transform=axes.get_xaxis_transform())
    axes.annotate("superstable rates", (shown[0], 0.02), xycoords=axes.get_xaxis_transform(), xytext=(-6, 0),
                  textcoords="offset points", ha="right", va="center", fontsize=8, color=plots.text_color(plots.RED))
    axes.set(title="control: the double well", xlabel="learning rate", ylabel="x", xlim=(0.9, 1.5))


def draw_net(axes, runs, title):
    """Draw the bifurcation diagram of the first of these nets: its mean output on the points where descent settles."""
    axes.set(title=title, xlabel="learning rate / edge of stability", ylabel="mean output")
    if not runs:
        axes.text(0.5, 0.5, "no such net", transform=axes.transAxes, ha="center", color=plots.GREY)
        return
    run = runs[0]
    last = run.rows[-1]["rate"]
    rates = np.linspace(0.95, 1.06 * last, DIAGRAM_RATES)
    point, collapse = run.minimum, None
    rng = np.random.default_rng(run.seed)
    for rate in rates:
        point = point + 1e-6 * rng.normal(size=len(point))  # leaves cycles that are no longer stable
        points = run.descent.orbit(point, rate * run.edge, DIAGRAM_DISCARDED, DIAGRAM_KEPT)
        if not np.isfinite(points).all():
            break
        outputs = np.array([run.descent.outputs(p) for p in points])
        axes.plot(np.full(len(outputs), rate), outputs.mean(axis=1), ",", color=plots.INK, alpha=0.5, rasterized=True)
        point = points[-1]
        alive = outputs.std(axis=1).max() > ALIVE
        collapse = None if alive else collapse or rate
    axes.set_xlim(rates[0], rates[-1])
    if collapse:
        axes.axvspan(collapse, rates[-1], color=plots.ORANGE, alpha=0.15, lw=0)
        axes.annotate("collapsed", (collapse, 0.97), xycoords=axes.get_xaxis_transform(), xytext=(4, 0),
                      textcoords="offset points", va="top", fontsize=8)
    for kind, marker, color in ((cycles.FLIP, "^", plots.RED), (cycles.TORUS, "o", plots.BLUE),
                                (cycles.FOLD, "s", plots.GREY)):
        x = [row["rate"] for row in run.rows if row["kind"] == kind]
        axes.plot(x, np.full(len(x), 0.02), marker, color=color, ms=4, ls="none", transform=axes.get_xaxis_transform(),
                  label=kind if x else None)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 0.04), fontsize=8)
    axes.set_title(f"{title} (decay {run.decay:g})")


def draw_ratios(axes, well, runs):
    """Draw the ratio of successive distances against the period, for the control and for nets that double."""
    lines = []
    for outcome, marker, dash in ((DEAD_CASCADE, "s", "--"), (LIVE_CASCADE, "o", "-")):
        color, chosen = LOOKS[outcome][0], with_outcome(runs, outcome)
        ratios = {}  # by period of the last of the three flips
        for run in chosen:
            for flip, ratio in zip(doublings(run.rows)[2:], run.ratios(), strict=True):
                ratios.setdefault(flip["period"], []).append(ratio)
        levels = sorted(period for period, values in ratios.items() if 2 * len(values) > len(chosen))
        if levels:
            rows = [summaries.median_intervals(ratio=ratios[period]) for period in levels]
            plots.draw_band(axes, np.log2(levels), rows, "ratio", color, marker=marker, ls=dash)
            name = f"{'living' if outcome == LIVE_CASCADE else 'collapsed'} nets (n = {len(chosen)})"
            lines.append((name, color, marker, dash))
    last = max([np.log2(row["period"]) for run in runs for row in run.rows], default=3)
    values = cycles.ratios(well)
    axes.plot(np.arange(2, 2 + len(values)), values, "D:", color=plots.INK, ms=3)
    lines.append((WELL, plots.INK, "D", ":"))
    for name, color, marker, dash in lines:
        axes.plot([], [], color=color, marker=marker, ls=dash, ms=4, label=name)
    last = max(last, 1 + len(values))
    axes.axhline(cycles.FEIGENBAUM, color=plots.GREY, lw=0.7, zorder=0)
    plots.draw_source(axes, last + 0.5, cycles.FEIGENBAUM, label=f"Feigenbaum: {cycles.FEIGENBAUM:.3f}")
    ticks = np.arange(2, last + 1)
    axes.set(title="how fast the doublings crowd together", ylabel="ratio of successive distances", yscale="log",
             xlabel="period that flips", xticks=ticks, xticklabels=[f"{2**int(tick):,}" for tick in ticks])
    axes.legend(fontsize=8)


def draw_outcomes(axes, runs):
    """Draw how many nets end in which way, a bar for each weight decay."""
    decays = list(dict.fromkeys(run.decay for run in runs))
    left = np.zeros(len(decays))
    for outcome in OUTCOMES:
        counts = np.array([sum(run.decay == decay and run.outcome == outcome for run in runs) for decay in decays])
        color, hatch = LOOKS[outcome]
        axes.barh(range(len(decays)), counts, left=left, color=color, hatch=hatch, edgecolor="white", label=outcome)
        for place, count in enumerate(counts):
            if count:
                axes.text(left[place] + count / 2, place, f"{count}", ha="center", va="center", fontsize=9,
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
        left += counts
    axes.set(title="how the cycles end", xlabel="nets", yticks=range(len(decays)), ylim=(len(decays) - 0.5, -1.1),
             yticklabels=[f"decay {decay:g}" for decay in decays])
    axes.legend(ncols=4, fontsize=8, loc="upper left", handlelength=1.2, columnspacing=1)


if __name__ == "__main__":
    experiment.run(main)
