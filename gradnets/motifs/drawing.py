"""Draw motifs as small graphs."""
import numpy as np

from gradnets import plots
from gradnets.motifs import codes

# Names of topologies, by their number of nodes and FANMOD's number.
TOPOLOGY_NAMES = {
    (3, 6): "fork", (3, 12): "chain", (3, 36): "join", (3, 38): "feed-forward loop", (3, 98): "circle",
    (4, 74): "fork", (4, 140): "N", (4, 204): "bifan", (4, 392): "join", (4, 536): "chain", (4, 2182): "diamond"}


def edge_styles(colors):
    """Return how edges of the colours 1 to `colors` are drawn: for each a dict of color, linestyle and linewidth.

    Two or three colours differ in their lines, too: blue dashes, a thin grey line and a thick red one.
    """
    if colors == 1:
        styles = [(plots.INK, "-", 1.2)]
    elif colors <= 3:
        styles = [(plots.BLUE, (0, (2.2, 1.1)), 1.5), (plots.GREY, "-", 0.8), (plots.RED, "-", 2.0)]
    else:
        styles = [(shade, plots.DASHES[k % len(plots.DASHES)], 1.2) for k, shade in enumerate(plots.shades(colors))]
    return {color: dict(zip(("color", "linestyle", "linewidth"), style, strict=True))
            for color, style in zip(range(1, colors + 1), styles, strict=False)}


def draw_motif(axes, adjacency, x, y, styles, width=0.9, height=0.62):
    """Draw a motif around (x, y), its nodes in levels from left to right.

    Parameters
    ----------
    adjacency : int (k, k)
        Colour of each edge, 0 for no edge.
    styles : dict
        The style of each colour, as `edge_styles` gives it.
    width, height : float
        Size of the drawing in the units of the axes.
    """
    level = _levels(adjacency)
    spots = np.zeros((len(adjacency), 2))
    for number in np.unique(level):
        inside = np.flatnonzero(level == number)
        spots[inside, 0] = x + width * (number / max(level.max(), 1) - 0.5)
        spots[inside, 1] = y + height * (np.arange(len(inside)) - (len(inside) - 1) / 2) / max(len(inside) - 1, 1)
    for i, j in np.argwhere(adjacency):
        bend = 0.3 if adjacency[j, i] else 0.18 if level[j] - level[i] != 1 else 0.0
        axes.annotate("", spots[j], spots[i], arrowprops={
            "arrowstyle": "-|>", "shrinkA": 2, "shrinkB": 2, "mutation_scale": 8,
            "connectionstyle": f"arc3,rad={bend}"} | styles[int(adjacency[i, j])])
    axes.plot(*spots.T, "o", color=plots.INK, ms=3.5)


def draw_column(axes, lines, styles, height):
    """Draw motifs below each other, under the names of their data sets, and hide the axes.

    Parameters
    ----------
    lines : list of (str, str or None)
        Data set and motif, as `adjacency_of` reads it; with None the line holds the name of the data set.
    styles, height
        As `draw_motif` takes them.
    """
    for place, (data, motif) in enumerate(lines):
        if motif is None:
            axes.text(-0.6, place + 0.2, f"data set {data}", va="center", fontweight="bold")
        else:
            draw_motif(axes, codes.adjacency_of(motif), 0.0, place, styles, 0.9, height)
    axes.set(title="motifs that rise most", xlim=(-0.6, 0.6), ylim=(len(lines) - 0.4, -0.6), xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)


def _levels(adjacency):
    """Return the length of the longest way to each node without mutual edges, int (k,); at most k - 1, in a circle."""
    size = len(adjacency)
    level = np.zeros(size, int)
    for _ in range(size):
        for i, j in np.argwhere(adjacency):
            if not adjacency[j, i]:
                level[j] = max(level[j], min(level[i] + 1, size - 1))
    return level
