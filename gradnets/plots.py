"""The house style, and the few kinds of panel that the scripts share.

A script's picture is one function, decorated with `styled`, that makes a `figure`, fills its panels with the
`draw_` functions and with matplotlib's own, and returns it. No pyplot: no window, no global state, no screen.
"""
import textwrap

import matplotlib
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gradnets import arrays

INK, GREY, PALE = "#1d2733", "#7b8794", "#d9dee4"
BLUE, RED = "#1f6fb2", "#c8452d"
STYLE = {
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.7,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "figure.dpi": 150,
}
styled = matplotlib.rc_context(STYLE)  # a decorator: the style holds in that function alone


def figure(mosaic, width, height, title, caption, **options):
    """A Figure and its panels by name, under a title and a caption.

    Parameters
    ----------
    mosaic : list of lists of str
        As matplotlib's `subplot_mosaic` takes it.
    width, height : float
        In inches.
    title, caption : str
        The finding, broken into lines as need be, and what it was measured on: data, settings, n.
    **options
        For `subplot_mosaic`.

    Returns
    -------
    matplotlib.figure.Figure, dict of str to Axes
    """
    title = textwrap.fill(title, int(9.8 * width))  # so many bold letters stand on an inch
    caption = "\n".join(textwrap.fill(line, int(15 * width)) for line in caption.split("\n"))  # and so many of these
    below = 0.40 + 0.20 * title.count("\n")  # inches, from the top to the caption
    head = below + 0.05 + 0.16 * (caption.count("\n") + 1)
    made = Figure(figsize=(width, height), layout="constrained")
    made.get_layout_engine().set(w_pad=0.08, h_pad=0.08, rect=(0, 0, 1, 1 - head / height))
    panels = made.subplot_mosaic(mosaic, **options)
    made.suptitle(title, x=0.12 / width, y=1 - 0.12 / height, fontsize=12, fontweight="bold", ha="left", va="top")
    made.text(0.12 / width, 1 - below / height, caption, fontsize=9, color=GREY, va="top", linespacing=1.3)
    return made, panels


def shades(count):
    """So many colours of one row, light to dark: for curves that have an order, as steps have."""
    return matplotlib.colormaps["viridis_r"](np.linspace(0.1, 1, count))


def draw_matrix(axes, matrix):
    """A matrix as an image: bools as dots on white, magnitudes on a logarithmic scale over four decades.

    ValueError for what is no matrix of finite numbers, and for magnitudes that are not above 0 and of ordinary size.
    """
    matrix = arrays.real("matrix", matrix, axes=2)
    if matrix.dtype == bool:
        axes.imshow(matrix, cmap="Greys", vmin=0, vmax=1, interpolation="antialiased", aspect="auto")
        return
    if not 1e-300 < float(matrix.max()) < 1e300:
        raise ValueError(f"the largest of {matrix.size} magnitudes is {matrix.max():.6g}: expected it above 0 and of "
                         "ordinary size, normalise the matrix first")
    norm = LogNorm(matrix.max() * 1e-4, matrix.max(), clip=True)
    image = axes.imshow(matrix, cmap="magma", norm=norm, interpolation="antialiased", aspect="auto")
    axes.figure.colorbar(image, ax=axes, pad=0.02, extend="min")


def draw_ccdf(axes, samples, color, label, band=False):
    """The share of values that are at least x, on log-log axes: its median over the samples, or its middle 90 %.

    Parameters
    ----------
    samples : list of number arrays
        One a draw, of one length. Zeros count in the shares but have no place on the axis.

    Raises
    ------
    ValueError
        For samples that are not finite numbers in one row.
    """
    samples = [arrays.real("sample", values, axes=1) for values in samples]
    grid = np.unique(np.concatenate(samples))
    grid = grid[grid > 0]
    shares = [1 - np.searchsorted(np.sort(values), grid) / len(values) for values in samples]
    low, middle, high = np.quantile(shares, (0.05, 0.5, 0.95), axis=0)
    least = 0.5 / len(samples[0])  # below one unit, nothing is there to see
    bottom = axes.get_ylim()[0] if axes.get_yscale() == "log" else 1  # of the curves before
    axes.set(xscale="log", yscale="log")
    if band:
        axes.fill_between(grid, np.maximum(low, least), high, where=high >= least, color=color, alpha=0.2, lw=0,
                          label=label)
    else:
        axes.plot(grid[middle >= least], middle[middle >= least], color=color, lw=2, label=label)
    axes.set_ylim(min(least, bottom), 1.3)


def draw_intervals(axes, rows, key, names=True):
    """A line a row: a dot at row[key] and a bar from its `_low` to its `_high`, or a ring where it has none.

    The first row is the observed one, and its value is carried through; `names` writes row["network"] at the left.
    """
    for place, row in enumerate(rows):
        color = RED if place == 0 else INK
        alone = key + "_low" not in row
        if not alone:
            axes.plot([row[key + "_low"], row[key + "_high"]], [place, place], color=color, lw=4, alpha=0.3,
                      solid_capstyle="round")
        if key in row:
            axes.plot(row[key], place, "o", color=color, ms=6, mew=1.5, mfc="white" if alone else color)
    axes.axvline(rows[0][key], color=RED, lw=0.8, alpha=0.6, zorder=0)
    axes.set(yticks=range(len(rows)), ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticklabels([row["network"] for row in rows] if names else [])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=PALE, lw=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.08)


@styled
def learning_curve(rows, title, caption):
    """The figure of a training run: loss and accuracy against steps, from rows of step, loss and two accuracies."""
    made, panels = figure([["loss", "accuracy"]], 9, 4, title, caption)
    steps = [row["step"] for row in rows]
    panels["loss"].plot(steps, [row["loss"] for row in rows], "o-", color=INK, ms=3)
    panels["loss"].set(title="loss, mean since the last dot", xlabel="step", yscale="log")
    for key, color in (("training_accuracy", GREY), ("test_accuracy", RED)):
        panels["accuracy"].plot(steps, [row[key] for row in rows], "o-", color=color, ms=3, label=key.split("_")[0])
    panels["accuracy"].set(title="accuracy", xlabel="step", ylim=(0, 1.02))
    panels["accuracy"].legend(loc="lower right")
    for panel in panels.values():
        panel.xaxis.set_major_locator(MaxNLocator(5))
    return made
