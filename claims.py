"""What is true of all this? Every claim that the sources make, what the scripts measure, and a verdict.

This script runs other scripts with the settings of ledger/parts.py, several at once, and makes the essay's gradient
networks for many seeds. From their rows follow the numbers. From the numbers a rule for each claim gives the verdict:
the claim holds; holds, but is explained by something simpler; holds only under a condition; or does not hold. The rules
are in the folder ledger, one file per section. With --store FILE finished runs are kept in that file, so that an
interrupted run continues where it stopped.

Figure: all claims at a glance, by verdict. The ledger itself is claims.md, and claims_parts.json has the rows of all
scripts that it rests on.

Takes 17 minutes on two cores with real data. With --quick it takes less than two, on built-in data and few seeds, and
its verdicts are those of a trial.
"""
import textwrap
from collections import Counter

from gradnets import checks, experiment, plots
from ledger import parts, sections
from ledger.rows import in_words
from ledger.verdicts import EXPLAINED, HOLDS, NOT, NOT_MEASURED, WHERE, kind_of

QUICK = False               # make a trial: built-in data and few seeds
JOBS = 2                    # number of worker processes
CLUSTER = ""                # Dask cluster to use instead of worker processes, as tcp://host:8786
STORE = ""                  # file that keeps finished runs, to continue from; without one every run starts again
PARTS = ""                  # a claims_parts.json whose rows are judged again, without running anything
RUNS = 100                  # number of gradient networks on MNIST at each learning rate; CIFAR-10 has a fifth of it
DRAWS = 10                  # number of networks drawn from each gradient and from each null model
SEED = 0                    # first seed of all runs

# ---- not flags --------------------------------------------------------------------------------------------

TRIAL_RUNS = 4              # largest number of gradient networks of a trial
COLORS = {HOLDS: plots.INK, EXPLAINED: plots.BLUE, WHERE: "#b58a2a", NOT: plots.RED, NOT_MEASURED: plots.GREY}


def finding(rows):
    """Return how many claims have which verdict: a sentence without its full stop."""
    counts = Counter(kind_of(row["verdict"]) for row in rows)
    lost = f", {counts[NOT_MEASURED]} could not be measured" if counts[NOT_MEASURED] else ""
    return (f"Of {len(rows)} claims {counts[HOLDS]} hold, {counts[EXPLAINED]} hold and are explained by something "
            f"simpler, {counts[WHERE]} hold in places, {counts[NOT]} do not hold{lost}")


def measured(row):
    """Return what is measured, the number with its interval, and n, in words; nothing if nothing is measured."""
    return f"{row['quantity']}: {in_words(row)}, {row['n']}" if "value" in row else ""


def as_markdown(rows, caption):
    """Return the ledger as the text of a Markdown file, a table per section."""
    lines = ["# Claims", "", f"{finding(rows)}. {' '.join(caption.split())}", ""]
    for section in sections.SECTIONS:
        lines += [f"## {section}", "", "| claim | source | measured here | beside it | verdict |",
                  "| --- | --- | --- | --- | --- |"]
        for row in rows:
            if row["section"] == section:
                cells = (row["claim"], row["source"], measured(row), row["beside"], row["verdict"])
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


@plots.styled
def picture(rows, title, caption):
    """Draw the figure: one line per claim, with a dot in the column of its verdict."""
    height = 0.5 * len(rows) + 0.3 * len(sections.SECTIONS) + 1.7
    figure, panels = plots.figure([["claims"]], 15, height, title, caption)
    axes, place = panels["claims"], 0.0
    columns = {kind: 0.33 + 0.04 * k for k, kind in enumerate(COLORS) if kind != NOT_MEASURED}
    for kind, x in columns.items():
        axes.text(x, -0.4, kind.removesuffix(" by").replace(" ", "\n", 2), fontsize=8, ha="center", va="bottom",
                  color=COLORS[kind])
    for section in sections.SECTIONS:
        axes.text(0, place, section, fontweight="bold", fontsize=10, va="center")
        place += 0.8
        for row in (row for row in rows if row["section"] == section):
            kind = kind_of(row["verdict"])
            axes.axhline(place + 0.5, color=plots.PALE, lw=0.5, zorder=0)
            axes.text(0.005, place, row["claim"], fontsize=8.5, va="center")
            axes.text(0.22, place, row["source"], fontsize=8, va="center", color=plots.GREY)
            if kind in columns:
                axes.plot(columns[kind], place, "o", color=COLORS[kind], ms=8)
            axes.text(0.48, place - 0.28, row["verdict"], fontsize=8, va="center", color=COLORS[kind],
                      fontweight="bold")
            axes.text(0.48, place + 0.02, measured(row), fontsize=8, va="center")
            context = textwrap.shorten(row["beside"], 145, placeholder=" ...")
            axes.text(0.48, place + 0.3, context, fontsize=7, va="center", color=plots.GREY)
            place += 1
    axes.set(xlim=(0, 1), ylim=(place - 0.5, -1.4), xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)
    return figure


def main(settings):
    """Run everything, or read the rows of an earlier run; return the ledger."""
    checks.positive_integers(jobs=settings.jobs, runs=settings.runs, draws=settings.draws)
    if settings.parts:
        how, data, rows_of_parts = parts.read(settings.parts)
    else:
        runs = min(settings.runs, TRIAL_RUNS) if settings.quick else settings.runs
        how = {"quick": settings.quick, "runs": runs, "seed": settings.seed}
        data, rows_of_parts = parts.measure(settings.quick, settings.jobs, settings.cluster, settings.store, runs,
                                            settings.draws, settings.seed)
    rows = sections.judge(rows_of_parts)
    sources = dict.fromkeys(entry["source"] for entry in data if entry["name"] in ("mnist", "cifar10", "glyphs"))
    caption = (f"{'Trial on built-in data. ' if how['quick'] else ''}Medians and the middle 90 % over n; a share has "
               f"its exact interval. Seeds from {how['seed']} on.\nData: {'; '.join(sources)}.")
    files = {".md": as_markdown(rows, caption), "_parts.json": {"how": how, "data": data, "parts": rows_of_parts}}
    sentence = finding(rows)
    return experiment.Result(rows, names=("section", "claim"), columns=("source", "value", "verdict"),
                             finding=sentence, figure=picture(rows, sentence, caption), files=files, data=data,
                             suggestion="--parts FILE judges the rows of a claims_parts.json again")


if __name__ == "__main__":
    experiment.run(main)
