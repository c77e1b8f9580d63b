"""What is true of all this? Every claim that the sources make, what the scripts measure, and a verdict.

This script runs other scripts with the settings of ledger/parts.py, several at once, and makes the essay's gradient
networks for many seeds. From their rows follow the numbers. From the numbers a rule for each claim gives the verdict:
the claim holds; holds, but is explained by something simpler; holds only under a condition; or does not hold. The rules
are in the folder ledger, one file per section. With --store FILE finished runs are kept in that file, so that an
interrupted run continues where it stopped.

Figure: a line for each claim, with the source's number, our median with its middle 90 %, the null model's, and the
verdict. Claims on one kind of quantity share a panel: clustering, diameter, ratios, skew, accuracy and shares in
claims.png, all others in claims_words.png. A claim in words shades the side that it predicts. The ledger as a page is
claims.md, and claims_parts.json has the rows of all scripts that it rests on.

Takes 17 minutes on two cores with real data. With --quick it takes less than two, on built-in data and few seeds, and
its verdicts are those of a trial.
"""
import textwrap
from typing import NamedTuple

import numpy as np

from gradnets import checks, experiment, plots
from ledger import page, parts, sections
from ledger.rows import in_words, percent
from ledger.verdicts import EXPLAINED, HOLDS, KINDS, NOT, NOT_MEASURED, WHERE, kind_of

TRIAL = False               # make a trial: built-in data and few seeds
JOBS = 2                    # number of worker processes
CLUSTER = ""                # Dask cluster to use instead of worker processes, as tcp://host:8786
STORE = ""                  # file that keeps finished runs, to continue from; without one every run starts again
PARTS = ""                  # a claims_parts.json whose rows are judged again, without running anything
RUNS = 100                  # number of gradient networks on MNIST at each learning rate; CIFAR-10 has a fifth of it
DRAWS = 10                  # number of networks drawn from each gradient and from each null model
SEED = 0                    # first seed of all runs

# ---- not flags --------------------------------------------------------------------------------------------

QUICK = {"trial": True, "runs": 4}
WIDTH = 11                  # of the figures, in inches
OURS, NULL = 0.15, 0.24     # how far our number lies above the middle of its line, and the null model's below
NOT_DRAWN = ("source_share",)
STYLES = {  # of each kind of verdict: color, and marker with its filling
    HOLDS: (plots.GREEN, {"marker": "o"}),
    EXPLAINED: (plots.BLUE, {"marker": "s"}),
    WHERE: (plots.ORANGE, {"marker": "o", "fillstyle": "left", "markerfacecoloralt": "white"}),
    NOT: (plots.RED, {"marker": "X"}),
    NOT_MEASURED: (plots.GREY, {"marker": "_"}),
}


class Panel(NamedTuple):
    """A panel of the figure.

    Attributes
    ----------
    title : str
    factors : dict
        The kinds of quantity that the panel shows, and what their numbers are multiplied with.
    ticks : tuple of float
        Of a logarithmic axis; without them the axis is linear.
    names_references : bool
        Whether the names of reference values stand beside their lines; else the title has them.
    """

    title: str
    factors: dict
    ticks: tuple = ()
    names_references: bool = True


NUMBERS = (
    Panel("Average clustering", {"clustering": 1}),
    Panel("Diameter, in links", {"diameter": 1}),
    Panel("Ratio: 1 means no difference", {"ratio": 1}, (0.5, 1, 2, 5, 10, 20, 50, 100), names_references=False),
    Panel("Skew: an exponential law has 2, a heavy tail has more", {"skew": 1}, (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50),
          names_references=False),
    Panel("Test accuracy", {"accuracy": 1}),
    Panel("Correlation, share or distance, from 0 to 1", {"share": 1, "percent of iterations": 0.01}),
)
WORDS = (
    Panel("Percent of motifs", {"share of motifs": 100, "percent of motifs": 1}),
    Panel("Exponents: an exponential law has 1, and so have changes in proportion to weights", {"exponent": 1},
          names_references=False),
    Panel("Relative difference from Newton's step", {"difference": 1}, tuple(10.0**k for k in range(-16, 3, 2))),
    Panel("Training loss", {"loss": 1}, (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)),
    Panel("Decades of curvature", {"decades": 1}),
    Panel("Largest Lyapunov exponent for each step", {"Lyapunov exponent": 1}),
)


def main(settings):
    """Run everything, or read the rows of an earlier run; return the ledger."""
    checks.positive_integers(jobs=settings.jobs, runs=settings.runs, draws=settings.draws)
    if settings.parts:
        how, data, rows_of_parts = parts.read(settings.parts)
    else:
        how = {"quick": settings.trial, "runs": settings.runs, "seed": settings.seed}
        data, rows_of_parts = parts.measure(settings.trial, settings.jobs, settings.cluster, settings.store,
                                            settings.runs, settings.draws, settings.seed)
    rows = sections.judge(rows_of_parts)
    sizes = [int(row["n"].split()[0]) for row in rows if row["n"]]
    names = ", ".join(dict.fromkeys(entry["name"] for entry in data))
    trial = "A trial on built-in data and few seeds. " * how["quick"]
    caption = (f"{trial}Medians and the middle 90 % over n = {min(sizes or [0])} to {max(sizes or [0])} runs. "
               f"Data: {names}.")
    further = [row for row in rows if any(row["axis"] in panel.factors for panel in WORDS)]
    finding = page.finding(rows)
    return experiment.Result(
        rows, names=("section", "claim"), columns=("source", "measured", "verdict"), finding=finding,
        printed=[printed(row) for row in rows], data=data,
        figure=picture(rows, NUMBERS, finding, f"{caption} {len(further)} more claims are in claims_words."),
        figures={"_words": picture(rows, WORDS, page.finding(further, "further claims"), caption)},
        files={".md": "# Claims of the sources, and what is true of them\n\n"
                      + page.page(rows, trial + page.explanation(data)),
               "_parts.json": {"how": how, "data": data, "parts": rows_of_parts}},
        suggestion="claims.md has all numbers; --quick makes a trial on built-in data")


# ---- words ------------------------------------------------------------------------------------------------

def printed(row):
    """Return the row as it is printed: claim, source, measured and verdict, in a few words each."""
    return {"claim": row["claim"], "source": row["source"], "measured": in_words(row) if "value" in row else "",
            "verdict": KINDS[kind_of(row["verdict"])]}


# ---- figures ----------------------------------------------------------------------------------------------

@plots.styled
def picture(rows, panels, title, caption):
    """Draw a line for each claim, in the panel of its kind of quantity, with the verdict at the right."""
    lines = {panel.title: [line for line in page.lines(rows) if line["axis"] in panel.factors] for panel in panels}
    panels = [panel for panel in panels if lines[panel.title]]
    counts = [len(lines[panel.title]) for panel in panels]
    line_height = 0.37 if sum(counts) > 12 else 0.5  # inches
    figure, axes = plots.figure([[panel.title] for panel in panels], WIDTH,
                                1.4 + 0.6 * len(panels) + line_height * sum(counts), title, f"{caption}\n",
                                height_ratios=counts)
    for panel in panels:
        draw_panel(axes[panel.title], panel, lines[panel.title])
    draw_key(figure)
    return figure


def draw_panel(axes, panel, lines):
    """Draw lines on a common axis, with their labels at the left and verdicts at the right."""
    lines = [scale(line, panel.factors[line["axis"]]) for line in lines]
    set_limits(axes, [value for line in lines for key, value in line.items() if key not in NOT_DRAWN
                      and isinstance(value, float) and np.isfinite(value)], panel.ticks)
    axes.set(yticks=[], ylim=(len(lines) - 0.5, -0.5), title=panel.title)
    axes.spines["left"].set_visible(False)
    for place, line in enumerate(lines):
        above = lines[place - 1] if place else {}
        if place and line["claim"] != above["claim"]:
            axes.axhline(place - 0.5, color=plots.PALE, lw=0.6, zorder=0)
        draw_line(axes, place, line)
        for key in ("null", "reference") if panel.names_references else ("null",):
            if key in line and above.get(f"{key}_name") != line[f"{key}_name"]:
                name_mark(axes, place, line, key)
        draw_label(axes, place, line, panel.title)
        draw_verdict(axes, place, line)


def scale(line, factor):
    """Return the line with its numbers as floats, multiplied by a factor."""
    return {key: float(value) * factor if isinstance(value, int | float) else value for key, value in line.items()}


def set_limits(axes, numbers, ticks):
    """Give an axis room for all numbers, and ticks that can be read."""
    from matplotlib.ticker import MaxNLocator
    if not numbers:
        axes.set(xticks=[])
    elif ticks and min(numbers) > 0:
        margin = (max(numbers) / min(numbers))**0.06
        axes.set(xscale="log", xlim=(min(numbers) / margin, max(numbers) * margin))
        ticks = [tick for tick in ticks if min(numbers) / margin <= tick <= max(numbers) * margin]
        axes.set_xticks(ticks, [f"$10^{{{np.log10(tick):.0f}}}$" if ticks[0] < 1e-3 else f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
    else:
        margin = 0.06 * (max(numbers) - min(numbers)) or 1
        axes.set_xlim(min(numbers) - margin, max(numbers) + margin)
        whole = all(number.is_integer() for number in numbers)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=whole, steps=(1, 2, 5, 10)))


def draw_line(axes, place, line):
    """Draw the predicted side, the reference value, the null model, our number, and the source's number of a line."""
    left, right = axes.get_xlim()
    if "predicted_low" in line or "predicted_high" in line:
        axes.fill_betweenx([place - 0.5, place + 0.5], line.get("predicted_low", left),
                           line.get("predicted_high", right), color=plots.SKY, alpha=0.22, lw=0, zorder=0)
    if "reference" in line:
        axes.plot([line["reference"]] * 2, [place - 0.5, place + 0.5], "--", color=plots.INK, lw=1)
    color = STYLES[kind_of(line["verdict"])][0] if "verdict" in line else plots.INK
    for key, middle, shade, marker in (("null", place + NULL, plots.GREY, {"marker": "|", "ms": 9, "mew": 2.2}),
                                       ("value", place - OURS, color, {"marker": "o", "ms": 6})):
        if key in line:
            axes.plot([line[f"{key}_low"], line[f"{key}_high"]], [middle] * 2, color=shade, lw=4, alpha=0.45,
                      solid_capstyle="butt")
            axes.plot(line[key], middle, color=shade, **marker)
    if "source_value" in line:
        plots.draw_source(axes, line["source_value"], place - OURS, mfc="none", ms=9)


def name_mark(axes, place, line, key):
    """Write the name of a null model or of a reference value beside its mark, where there is more room."""
    low, high = (line.get(f"{key}{end}", line[key]) for end in ("_low", "_high"))
    if key == "reference" and line.get("null_low", np.inf) <= low <= line.get("null_high", -np.inf):
        low, high = line["null_low"], line["null_high"]
    left, right = axes.transLimits.transform(axes.transScale.transform([(low, 0), (high, 0)]))[:, 0]
    if key == "null" and "reference" in line:  # away from its line, if there is room
        at_left = left > 0.2 and (low < line["reference"] or right > 0.8)
    else:
        at_left = left > 1 - right
    axes.annotate(line[f"{key}_name"], (low if at_left else high, place + NULL), xytext=(-5 if at_left else 5, 0),
                  textcoords="offset points", va="center", ha="right" if at_left else "left", fontsize=7.5,
                  color=plots.GREY)


def draw_label(axes, place, line, title):
    """Write at the left what a line is about, and in small letters what is measured."""
    quantity = line.get("quantity", "")
    quantity = "" if quantity == title.lower() else quantity
    position = {"transform": axes.get_yaxis_transform(), "ha": "right"}
    claim = "verdict" in line
    axes.text(-0.02, place - (0.02 if quantity else 0), line["statement"], va="bottom" if quantity else "center",
              fontsize=9 if claim else 8, color=plots.INK if claim else plots.GREY, **position)
    axes.text(-0.02, place + 0.08, quantity, va="top", fontsize=7.5, color=plots.GREY, **position)


def draw_verdict(axes, place, line):
    """Write the verdict of a line at its right: icon, word, and what completes it."""
    transform = axes.get_yaxis_transform()
    if "source_share" in line:
        axes.text(1.055, place, f"the source's number in {percent(line['source_share'])} of runs", fontsize=7.5,
                  transform=transform, va="center", color=plots.GREY)
    if "verdict" not in line:
        return
    kind = kind_of(line["verdict"])
    color, marker = STYLES[kind]
    axes.plot(1.03, place, color=color, ms=8, ls="none", transform=transform, clip_on=False, **marker)
    reason = textwrap.fill(page.reason_of(line["verdict"]), 50)
    axes.text(1.055, place - (0.02 + 0.14 * reason.count("\n") if reason else 0), KINDS[kind], transform=transform,
              va="bottom" if reason else "center", fontsize=9, fontweight="bold", color=plots.text_color(color))
    axes.text(1.055, place + 0.08 - 0.14 * reason.count("\n"), reason, transform=transform, va="top", fontsize=7.5,
              color=plots.INK)


def draw_key(figure):
    """Say above the panels what the marks mean."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    marks = {"the source's number": Line2D([], [], marker="D", ms=8, mfc="none", mec=plots.INK, mew=1.3, ls="none"),
             "our median and middle 90 %": Line2D([], [], marker="o", ms=6, color=plots.GREEN, lw=4, alpha=0.6),
             "null model or control": Line2D([], [], marker="|", ms=8, mew=2, color=plots.GREY, lw=4, alpha=0.6),
             "reference value": Line2D([], [], ls="--", color=plots.INK, lw=1),
             "side that the claim predicts": Patch(color=plots.SKY, alpha=0.3, lw=0)}
    top = figure.get_layout_engine().get()["rect"][3]
    figure.legend(marks.values(), marks.keys(), loc="lower left", ncols=len(marks), fontsize=8,
                  bbox_to_anchor=(0, top), borderaxespad=0, columnspacing=1.6, handletextpad=0.6)


if __name__ == "__main__":
    experiment.run(main)
