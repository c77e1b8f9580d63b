"""What is true of all this? Every claim that the sources make, what the scripts measure, and a verdict.

This script runs other scripts with the settings of ledger/parts.py, several at once, and makes the essay's gradient
networks for many seeds. From their rows follow the numbers. From the numbers a rule for each claim gives the verdict:
the claim holds; holds, but is explained by something simpler; holds only under a condition; or does not hold. The rules
are in the folder ledger, one file per section. With --store FILE finished runs are kept in that file, so that an
interrupted run continues where it stopped.

Figures: a line for each claim, with the source's number, our median with its middle 90 %, the null model's, and the
verdict. Claims on one kind of quantity share a panel. Shaded is where a claim in words counts as true. The figures are
those of gradient networks (claims.png), of their likeness to real ones (_real_networks), of deltas, the space of
gradients and the growth of weights (_deltas), of tails and sparse training (_tails_sparse), of second order
(_second_order), of motifs (_motifs), and of the dynamics of training (_dynamics). The ledger as a page is claims.md,
and claims_parts.json has the rows of all scripts that it rests on.

Takes 17 minutes on two cores with real data. With --quick it takes less than two, on built-in data and few seeds, and
its verdicts are those of a trial.
"""
import textwrap
from typing import NamedTuple

import numpy as np

from gradnets import checks, datasets, experiment, plots
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
WIDTH = 12                  # of the figures, in inches
OURS, NULL = 0.17, 0.22     # how far our number lies above the middle of its line, and the null model's below
STATEMENT, QUANTITY, REASON = 52, 56, 38  # letters in a line of these texts
LARGE, SMALL = 10, 9        # sizes of statements and verdicts, and of all other texts, in points
NOT_DRAWN = ("source_share",)
FIGURES = {  # the sections of each figure, by the end of its file's name
    "": ("Gradient networks",),
    "_real_networks": ("Likeness to real networks",),
    "_deltas": ("Deltas", "Space of gradients", "Growth of weights"),
    "_tails_sparse": ("Tails", "Sparse training"),
    "_second_order": ("Second order",),
    "_motifs": ("Motifs",),
    "_dynamics": ("Dynamics of training",),
}
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
    kinds : tuple of str
        The kinds of quantity that the panel shows.
    ticks : tuple of float
        Of a logarithmic axis; without them the axis is linear.
    names_references : bool
        Whether the names of reference values stand beside their lines; else the title has them.
    names_start : bool
        Whether the title says at which tick the axis begins.
    """

    title: str
    kinds: tuple
    ticks: tuple = ()
    names_references: bool = True
    names_start: bool = False


PANELS = (  # of all figures
    Panel("Average clustering", ("clustering",)),
    Panel("Diameter, in links", ("diameter",)),
    Panel("Skew: an exponential law has 2, a heavy tail has more", ("skew",), (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50),
          names_references=False),
    Panel("Exponent of a stretched exponential: an exponential law has 1", ("exponent",), names_references=False),
    Panel("Exponent of changes: 0 ignores the size of weights, 1 is in proportion", ("exponent of changes",)),
    Panel("Test accuracy", ("accuracy",)),
    Panel("Ratio: 1 means no difference", ("ratio",), (0.5, 1, 2, 5, 10, 20, 50, 100), names_references=False),
    Panel("Correlation", ("correlation",), names_start=True),
    Panel("Share or distance, from 0 to 1", ("share",)),
    Panel("Effective dimension / number of parameters", ("dimension",), tuple(10.0**k for k in range(-6, 1))),
    Panel("Assortativity, less that of the same degrees", ("assortativity",)),
    Panel("Relative difference from Newton's step", ("difference",), tuple(10.0**k for k in range(-16, 3, 2))),
    Panel("Training loss", ("loss",), (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)),
    Panel("Decades of curvature", ("decades",)),
    Panel("Largest Lyapunov exponent, per step", ("Lyapunov exponent",)),
    Panel("Kolmogorov-Sinai entropy, nats per step", ("entropy",)),
    Panel("Ratio of distances between doublings", ("ratio of distances",)),
    Panel("Percent of iterations saved, or of losses reached first",
          ("percent of iterations", "percent of losses")),
    Panel("Percent of motifs", ("percent of motifs",)),
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
    trial = "A trial on built-in data and few seeds. " * how["quick"]
    figures = {}
    for end, names in FIGURES.items():
        part = [row for row in rows if row["section"] in names]
        figures[end] = picture(part, title_of(part), trial + caption_of(part, rows, data))
    return experiment.Result(
        rows, names=("section", "claim"), columns=("source", "measured", "verdict"), finding=page.finding(rows),
        printed=[printed(row) for row in rows], data=data, figure=figures.pop(""), figures=figures,
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

def title_of(rows):
    """Return the title of the figure of some rows: how many of its claims hold."""
    sections = list(dict.fromkeys(row["section"] for row in rows))
    holding = sum(kind_of(row["verdict"]) == HOLDS for row in rows)
    return (f"{' and '.join([*sections[:1], *map(str.lower, sections[1:])])}: "
            f"{holding} of {plots.counted(len(rows), 'claim')} {'holds' if holding == 1 else 'hold'} as stated")


def caption_of(rows, all_rows, data):
    """Return the caption of the figure of some rows: the verdicts of its claims and of all, and what was measured."""
    sizes = {int(row["n"].split()[0]) for row in rows if row["n"]} or {0}
    n = plots.counted(max(sizes), "run") if len(sizes) == 1 else f"{min(sizes)} to {max(sizes)} runs"
    names = list(dict.fromkeys(entry["name"] for entry in data))
    sets = [name for name in names if name not in datasets.NETWORKS]
    if len(sets) < len(names):
        sets.append(plots.counted(len(names) - len(sets), "real network"))
    return (f"Here {page.counts(rows)}. All {plots.counted(len(all_rows), 'claim')}, in {len(FIGURES)} figures: "
            f"{page.counts(all_rows)}.\nMedians and the middle 90 % over n = {n}. Data: "
            f"{', '.join(sets)}.")


@plots.styled
def picture(rows, title, caption):
    """Draw a line for each claim, in the panel of its kind of quantity, with the verdict at the right."""
    lines = {panel.title: [plain(line) for line in page.lines(rows) if line["axis"] in panel.kinds]
             for panel in PANELS}
    panels = [panel for panel in PANELS if lines[panel.title]]
    heights = [len(lines[panel.title]) * max(line_height(line, panel.title) for line in lines[panel.title])
               for panel in panels]
    figure, axes = plots.figure([[panel.title] for panel in panels], WIDTH, 1.6 + 0.62 * len(panels) + sum(heights),
                                title, f"{caption}\n\n\n", height_ratios=heights)
    for panel in panels:
        draw_panel(axes[panel.title], panel, lines[panel.title])
    draw_key(figure)
    return figure


def line_height(line, title):
    """Return the height that the texts of a line need, in inches."""
    texts = label_of(line, title), verdict_of(line) if "verdict" in line else ("", "")
    return 0.1 + max(sum(size * 1.35 * len(text.split("\n")) / 72 for text, size in
                         zip(pair, (LARGE, SMALL), strict=True) if text) for pair in texts)


def draw_panel(axes, panel, lines):
    """Draw lines on a common axis, with their labels at the left and verdicts at the right."""
    set_limits(axes, [value for line in lines for key, value in line.items() if key not in NOT_DRAWN
                      and isinstance(value, float) and np.isfinite(value)], panel.ticks)
    start = [tick for tick in axes.get_xticks() if tick >= axes.get_xlim()[0]][:1]
    axes.set(yticks=[], ylim=(len(lines) - 0.5, -0.5),
             title=panel.title + "".join(f" (axis from {tick:g})" for tick in start if panel.names_start))
    axes.spines["left"].set_visible(False)
    for place, line in enumerate(lines):
        above = lines[place - 1] if place else {}
        if place and line["claim"] != above["claim"]:
            axes.axhline(place - 0.5, color=plots.PALE, lw=0.6, zorder=0)
        draw_line(axes, place, line)
        named = panel.names_references and above.get("reference_name") != line.get("reference_name")
        name_marks(axes, place, line, [key for key in ("null", *["reference"] * named) if key in line])
        draw_label(axes, place, line, panel.title)
        draw_verdict(axes, place, line)


def plain(line):
    """Return the line with its numbers as floats, and its quantity without the unit, which the panel's title has."""
    floats = {key: float(value) if isinstance(value, int | float) else value for key, value in line.items()}
    return floats | {"quantity": line.get("quantity", "").removesuffix(", %")}


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


def name_marks(axes, place, line, keys):
    """Write the names of the null model and of the reference value beside their marks, where there is more room.

    A reference value inside the null model's interval is named behind the null model, if both are on one side.
    """
    ends = {key: [line.get(f"{key}{end}", line[key]) for end in ("_low", "_high")] for key in keys}
    sides = {key: side_with_room(axes, *ends[key], line.get("reference") if key == "null" else None) for key in keys}
    names = {key: line[f"{key}_name"] for key in keys}
    if len(keys) == 2 and ends["null"][0] <= line["reference"] <= ends["null"][1] and len(set(sides.values())) == 1:
        names = {"null": f"{names['null']}; dashed: {names['reference']}"}
    for key, name in names.items():
        at_left = sides[key] == "left"
        axes.annotate(name, (ends[key][0 if at_left else 1], place + NULL), xytext=(-5 if at_left else 5, 0),
                      textcoords="offset points", va="center", ha="right" if at_left else "left", fontsize=SMALL,
                      color=plots.GREY)


def side_with_room(axes, low, high, reference=None):
    """Return the side of a mark, "left" or "right", where its name stands: away from a reference, if there is room."""
    left, right = axes.transLimits.transform(axes.transScale.transform([(low, 0), (high, 0)]))[:, 0]
    if reference is None:
        return "left" if left > 1 - right else "right"
    return "left" if left > 0.2 and (low < reference or right > 0.8) else "right"


def label_of(line, title):
    """Return what a line is about, and what is measured unless the title of the panel says so; both in short lines."""
    quantity = line.get("quantity", "")
    return textwrap.fill(line["statement"], STATEMENT), ("" if quantity == title.lower() else
                                                         textwrap.fill(quantity, QUANTITY))


def verdict_of(line):
    """Return the word for a line's verdict, and what completes it, in short lines."""
    return KINDS[kind_of(line["verdict"])], textwrap.fill(page.reason_of(line["verdict"]), REASON)


def draw_label(axes, place, line, title):
    """Write at the left what a line is about, and in small letters what is measured."""
    claim = "verdict" in line
    write_both(axes, (-0.02, place), label_of(line, title), ha="right", color=plots.INK if claim else plots.GREY)


def draw_verdict(axes, place, line):
    """Write the verdict of a line at its right: icon, word, and what completes it."""
    if "source_share" in line:
        write_both(axes, (1.05, place), ("", f"the source's number in {percent(line['source_share'])} of runs"))
    if "verdict" not in line:
        return
    color, marker = STYLES[kind_of(line["verdict"])]
    axes.plot(1.03, place, color=color, ms=9, ls="none", transform=axes.get_yaxis_transform(), clip_on=False, **marker)
    write_both(axes, (1.05, place), verdict_of(line), fontweight="bold", color=plots.text_color(color))


def write_both(axes, position, texts, ha="left", **look):
    """Write two texts below each other, the first in large letters; their middle is at a height of the data.

    texts : (first, second), either may be empty; look : options of the first text
    """
    heights = [len(text.split("\n")) * size * 1.3 if text else 0 for text, size in
               zip(texts, (LARGE, SMALL), strict=True)]  # in points
    looks = {"fontsize": LARGE} | look, {"fontsize": SMALL, "color": plots.GREY}
    for text, top, options in zip(texts, (sum(heights) / 2, sum(heights) / 2 - heights[0]), looks, strict=True):
        axes.annotate(text, position, xytext=(0, top), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
                      va="top", ha=ha, annotation_clip=False, **options)


def draw_key(figure):
    """Say above the panels what the marks mean."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    marks = {"the source's number": Line2D([], [], marker="D", ms=8, mfc="none", mec=plots.INK, mew=1.3, ls="none"),
             "our median and middle 90 %": Line2D([], [], marker="o", ms=6, color=plots.GREEN, lw=4, alpha=0.6),
             "null model or control": Line2D([], [], marker="|", ms=8, mew=2, color=plots.GREY, lw=4, alpha=0.6),
             "reference value": Line2D([], [], ls="--", color=plots.INK, lw=1),
             "shaded: where the claim counts as true (our rule)": Patch(color=plots.SKY, alpha=0.3, lw=0),
             "colour: verdict; black: no verdict": Line2D([], [], marker="o", ms=6, color=plots.INK, lw=4, alpha=0.6)}
    top = figure.get_layout_engine().get()["rect"][3]
    figure.legend(marks.values(), marks.keys(), loc="lower left", ncols=len(marks) // 2, fontsize=SMALL,
                  bbox_to_anchor=(0.006, top), borderaxespad=0, columnspacing=1.6, handletextpad=0.6)


if __name__ == "__main__":
    experiment.run(main)
