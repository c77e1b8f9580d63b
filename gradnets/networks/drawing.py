"""Draw networks as nodes and links, hubs in the middle."""
import numpy as np

from gradnets import checks, plots
from gradnets.networks import graphs, metrics

MOST_NODES = 160  # in a drawing where each can be seen
PALEST = 1e-3     # share of the largest magnitude from which on a matrix has colors
CLUSTERING_COLORS, BRIGHTEST = "YlOrRd", 0.5  # colors of nodes, the last from this local clustering on


def join_layers(adjacency, layers):
    """Return one symmetric network, bool (k, k), of a network between two layers, bool (n, m).

    Nodes are merged as `graphs.merge_layers` does, or n + m nodes, rows first, if layers are "bipartite".
    """
    adjacency = checks.bool_matrix("adjacency", adjacency)
    if checks.choice("layers", layers, graphs.LAYERS) == "merged":
        return graphs.merge_layers(adjacency)
    rows, columns = adjacency.shape
    joined = np.zeros((rows + columns,) * 2, dtype=bool)
    joined[:rows, rows:], joined[rows:, :rows] = adjacency, adjacency.T
    return joined


def chosen_nodes(degrees, most=MOST_NODES):
    """Return every k-th node in falling order of degree, and k, the smallest that leaves at most `most` nodes.

    degrees : int array (n,); nodes without links are left out. Returns an int array and an int.
    """
    order = np.argsort(-degrees, kind="stable")[:np.count_nonzero(degrees)]
    every = max(1, -(-len(order) // most))
    return order[::every], every


def places(count):
    """Return points that fill a disc evenly from its middle outwards, float64 (count, 2), as seeds in a sunflower."""
    numbers = np.arange(count) + 0.5
    angles, radii = numbers * np.pi * (3 - 5**0.5), np.sqrt(numbers / max(count, 1))
    return np.column_stack([radii * np.cos(angles), radii * np.sin(angles)])


def local_clustering(packed):
    """Return for each node the share of pairs of its neighbors that are linked, float64 (n,), 0 without a pair."""
    pairs = packed.degrees * (packed.degrees - 1.0) / 2
    return np.divide(metrics.triangles(packed), pairs, out=np.zeros(len(pairs)), where=pairs > 0)


def draw_network(axes, adjacency, colors=None, largest=None):
    """Draw every k-th node of a network by degree, the hubs in the middle, and all links among these nodes.

    The area of a node is its degree in the whole network. Its color is its local clustering, darker for more.

    Parameters
    ----------
    axes : Axes
    adjacency : bool array (n, n), symmetric without loops
    colors : array (n,), optional
        Colors of the nodes in place of the clustering.
    largest : int, optional
        Degree that has the largest area, the same for networks that are compared; that of the hub unless given.

    Returns
    -------
    int
        k
    """
    from matplotlib.collections import LineCollection
    packed = metrics.pack(adjacency)
    nodes, every = chosen_nodes(packed.degrees)
    points = places(len(nodes))
    first, second = np.nonzero(np.triu(adjacency[np.ix_(nodes, nodes)]))
    axes.add_collection(LineCollection(np.stack([points[first], points[second]], axis=1), colors=plots.GREY,
                                       linewidths=0.5, alpha=min(1, 0.2 + 60 / max(len(first), 1))))
    look = {"c": local_clustering(packed)[nodes], "cmap": CLUSTERING_COLORS, "vmin": 0, "vmax": BRIGHTEST}
    if colors is not None:
        look = {"c": np.asarray(colors)[nodes]}
    degrees = packed.degrees[nodes]
    axes.scatter(*points.T, s=4 + 220 * degrees / (largest or degrees.max(initial=1)), edgecolors=plots.INK,
                 linewidths=0.5, zorder=3, **look)
    axes.set(xlim=(-1.12, 1.12), ylim=(-1.12, 1.12), aspect="equal")
    axes.set_axis_off()
    return every


def draw_hubs(axes, strengths, degrees, height, width, name="hub"):
    """Draw inputs as an image, and on each pixel a circle whose area is the degree of the input.

    Parameters
    ----------
    axes : Axes
    strengths : float array (n,), not negative
        How dark a pixel is; several colors one after the other are added.
    degrees : int array (n,)
    height, width : int
        In pixels.
    name : str
        What the input with the largest degree is called.
    """
    image, degrees = (checks.real_array(name, values, axes=1).astype(float).reshape(-1, height, width).sum(axis=0)
                      for name, values in (("strengths", strengths), ("degrees", degrees)))
    axes.imshow(image, cmap="Greys", vmin=0, vmax=2.2 * image.max(initial=1e-300), interpolation="nearest")
    y, x = np.nonzero(degrees)
    links = degrees[y, x]
    axes.scatter(x, y, s=(44 * 28 / height) * links / links.max(initial=1), color=plots.RED, edgecolors="white",
                 linewidths=0.3)
    if len(links):
        hub = np.argmax(links)
        side = -1 if x[hub] > width / 2 else 1
        axes.annotate(f"{name} with {links[hub]:,.0f} links", (x[hub], y[hub]),
                      xytext=(width / 2 - side * 0.47 * width, 0.06 * height), va="center",
                      ha="left" if side > 0 else "right", fontsize=9, color=plots.text_color(plots.RED),
                      arrowprops={"arrowstyle": "-", "color": plots.INK, "lw": 0.8},
                      bbox={"fc": "white", "ec": "none", "pad": 0.5})
    axes.set(xticks=[], yticks=[])


def draw_outer_product(axes, matrix, row_label, column_label):
    """Draw magnitudes, largest first, with the sums of rows at the left and of columns above.

    Colors follow logarithms, from PALEST of the largest entry on. A matrix of rank one is the product of both margins,
    dark where both are long.

    Parameters
    ----------
    axes : Axes
    matrix : float array (n, m), not negative, with a positive entry
        Rows of zeros are left out.
    row_label, column_label : str
        What the margins show.

    Returns
    -------
    int
        Number of rows that are drawn.
    """
    matrix = checks.real_array("matrix", matrix, axes=2)
    rows, columns = matrix.sum(axis=1), matrix.sum(axis=0)
    row_order = np.argsort(-rows, kind="stable")[:np.count_nonzero(rows)]
    column_order = np.argsort(-columns, kind="stable")
    count, width = len(row_order), len(column_order)
    image, left, top = (axes.inset_axes(box) for box in ((0.2, 0, 0.8, 0.8), (0, 0, 0.18, 0.8), (0.2, 0.82, 0.8, 0.18)))
    logarithms = np.log(np.maximum(matrix[np.ix_(row_order, column_order)] / matrix.max(), PALEST))
    image.imshow(logarithms, cmap="Blues", interpolation="antialiased", aspect="auto", vmin=np.log(PALEST), vmax=0)
    left.fill_betweenx(np.arange(count) + 0.5, rows[row_order], color=plots.BLUE, lw=0)
    left.set(xlim=(1.05 * rows.max(), 0), ylim=(count, 0))
    top.fill_between(np.arange(width) + 0.5, columns[column_order], color=plots.BLUE, lw=0)
    top.set(ylim=(0, 1.05 * columns.max()), xlim=(0, width))
    left.text(-0.06, 0.5, row_label, transform=left.transAxes, rotation=90, fontsize=8, ha="right", va="center")
    top.text(0.99, 0.8, column_label, transform=top.transAxes, fontsize=8, ha="right", va="top")
    for part in (image, left, top):
        part.set_axis_off()
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
    return count


def draw_color_key(axes):
    """Draw what the colors of `draw_network` mean, as a small bar at the lower right."""
    bar = axes.inset_axes((0.72, -0.02, 0.24, 0.035))
    bar.imshow(np.linspace(0, 1, 64)[None], cmap=CLUSTERING_COLORS, aspect="auto", extent=(0, BRIGHTEST, 0, 1))
    bar.set(yticks=[], xticks=[0, BRIGHTEST])
    bar.set_title("clustering of a node", loc="left", fontsize=8, fontweight="normal", pad=3)
    bar.tick_params(length=0, labelsize=8, pad=2)
