"""Draw motifs as small graphs."""
import numpy as np

from gradnets import plots


def edge_shades(colors):
    """Return the shades that edges of the colours 1 to `colors` are drawn in, as a dict."""
    if colors == 1:
        return {1: plots.INK}
    return dict(enumerate((plots.BLUE, plots.GREY, plots.RED) if colors <= 3 else plots.shades(colors), start=1))


def draw_motif(axes, adjacency, x, y, shades, width=0.9, height=0.62):
    """Draw a motif around (x, y), its nodes in levels from left to right.

    Parameters
    ----------
    adjacency : int (k, k)
        Colour of each edge, 0 for no edge.
    shades : dict
        The shade of each colour, as `edge_shades` gives it.
    width, height : float
        Size of the drawing in the units of the axes.
    """
    level = _levels(adjacency)
    spots = np.zeros((len(adjacency), 2))
    for number in np.unique(level):
        inside = np.flatnonzero(level == number)
        spots[inside, 0] = x + width * (number / max(level.max(), 1) - 0.5)
        spots[inside, 1] = y + height * ((np.arange(len(inside)) + 0.5) / len(inside) - 0.5)
    for i, j in np.argwhere(adjacency):
        bent = adjacency[j, i] or level[j] - level[i] != 1
        axes.annotate("", spots[j], spots[i], arrowprops={
            "arrowstyle": "-|>", "color": shades[int(adjacency[i, j])], "lw": 1.2, "shrinkA": 2, "shrinkB": 2,
            "mutation_scale": 7, "connectionstyle": f"arc3,rad={0.3 if bent else 0.0}"})
    axes.plot(*spots.T, "o", color=plots.INK, ms=3)


def _levels(adjacency):
    """Return the length of the longest way to each node without mutual edges, int (k,); at most k - 1, in a circle."""
    size = len(adjacency)
    level = np.zeros(size, int)
    for _ in range(size):
        for i, j in np.argwhere(adjacency):
            if not adjacency[j, i]:
                level[j] = max(level[j], min(level[i] + 1, size - 1))
    return level
