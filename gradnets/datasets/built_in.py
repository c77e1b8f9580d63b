"""Generate the data sets that need no files: glyphs, noise, tree, clusters."""
import numpy as np

from gradnets import streams
from gradnets.datasets import glyph_templates

NAMES = ("glyphs", "noise", "noise-constant", "tree", "clusters")
SPLITS = ("train", "test")
SIDE = glyph_templates.SIDE
BATCH = 32  # images that are drawn at once: few enough to stay in the cache


def generate(name, split, limit, seed):
    """Return (uint8 images or float64 features (n, d), int64 labels (n,), number of classes, source) of a set."""
    n = limit or (2_000 if split == "test" or name in ("tree", "clusters") else 10_000)
    # The graph behind `clusters` belongs to both splits, so it has a stream of its own.
    *rngs, graph_rng = streams.generator(seed, streams.DATA).spawn(3)
    rng = rngs[SPLITS.index(split)]
    source = f"made here, {split}, seed {seed}"
    match name:
        case "glyphs":
            return *glyphs(n, rng), 10, f"{source}, {len(glyph_templates.FONTS)} fonts of matplotlib"
        case "tree":
            return *tree(n, rng), 4, source
        case "clusters":
            return *clusters(n, rng, graph_rng), 4, source
        case _:
            return *noise(n, rng, constant=name == "noise-constant"), 10, source


def noise(n, rng, constant=False):
    """Draw uniform bytes, uint8 (n, 784), with random labels of ten classes, or with label 0 throughout."""
    label_rng, image_rng = rng.spawn(2)
    images = image_rng.integers(0, 256, (n, SIDE * SIDE), dtype=np.uint8)
    return images, np.zeros(n, np.int64) if constant else label_rng.integers(0, 10, n)


def glyphs(n, rng):
    """Draw digits of random fonts, each under a random affine map: uint8 (n, 784), int64 (n,).

    Classes are balanced: each ten items from the start hold each digit once. The random numbers meet only + - * and /,
    so the bytes are the same on every machine.
    """
    label_rng, map_rng = rng.spawn(2)
    labels = label_rng.random((-(-n // 10), 10)).argsort(axis=1).ravel()[:n]
    draws = map_rng.random((n, 7))
    ranges = [(-0.08, 0.08), (-0.2, 0.2), (0.82, 0.98), (0.85, 1.1), (-0.9, 0.9), (-0.9, 0.9)]
    half_turn, shear, height, width, right, down = (
        low + (high - low) * draw for (low, high), draw in zip(ranges, draws[:, 1:].T, strict=True)
    )
    # half_turn is tan(angle / 2), up to 9 degrees: its cosine and sine need no trigonometry.
    cos, sin = (1 - half_turn**2) / (1 + half_turn**2), 2 * half_turn / (1 + half_turn**2)
    # From an image to its template: undo the shift, turn, shear and scale, in template cells.
    x_scale, y_scale = glyph_templates.CELLS / (height * width), glyph_templates.CELLS / height
    to_x = np.stack([x_scale * (cos - shear * sin), x_scale * (sin + shear * cos)])
    to_y = np.stack([-y_scale * sin, y_scale * cos])
    pixel = np.arange(SIDE) - (SIDE - 1) / 2

    templates = glyph_templates.brightness()
    cells = templates.shape[-1]
    middle = (cells - 1) / 2
    first = ((draws[:, 0] * len(templates)).astype(np.int64) * 10 + labels) * cells**2
    images = np.empty((n, SIDE, SIDE), np.uint8)
    for start in range(0, n, BATCH):
        batch = slice(start, start + BATCH)
        across = pixel - right[batch, None]  # (batch, 28)
        along = pixel - down[batch, None]
        x, y = (
            (to[0, batch, None] * across)[:, None, :] + (to[1, batch, None] * along)[:, :, None] + middle
            for to in (to_x, to_y)
        )
        # Bilinear: four neighbors; the template's rim is empty, so its cells may repeat outwards.
        x, y = x.clip(0, cells - 2), y.clip(0, cells - 2)
        column, row = x.astype(np.int32), y.astype(np.int32)
        x, y = (x - column).astype(np.float32), (y - row).astype(np.float32)
        corner = first[batch, None, None] + row * cells + column
        upper, upper_right, lower, lower_right = (
            templates.take(corner + step, mode="clip")  # no index is outside, and "clip" spares numpy's check
            for step in (0, 1, cells, cells + 1)
        )
        upper += x * (upper_right - upper)
        lower += x * (lower_right - lower)
        images[batch] = upper + y * (lower - upper)
    return images.reshape(n, SIDE * SIDE), labels


def tree(n, rng):
    """Draw the motif paper's binary tree of depth 5: 31 features ±1 in heap order, float64 (n, 31), and class 0 to 3.

    The root is +1 or -1 by a fair coin, and its children are (+1, -1) or (-1, +1) accordingly. Below, a +1 node gives
    its children (+1, -1) with probability 0.7, else (-1, +1); a -1 node gives both children -1. The class is the
    pattern of the first seven features, numbered by which of the four nodes on the third level is +1. There are 16
    distinct rows, so a test set repeats the training rows.
    """
    coins = rng.random((n, 15))  # one for each inner node
    features = np.empty((n, 31))
    features[:, 0] = np.where(coins[:, 0] < 0.5, 1, -1)
    features[:, 1], features[:, 2] = features[:, 0], -features[:, 0]
    for node in range(1, 15):
        on, left = features[:, node] > 0, coins[:, node] < 0.7
        features[:, 2 * node + 1] = np.where(on & left, 1, -1)
        features[:, 2 * node + 2] = np.where(on & ~left, 1, -1)
    return features, features[:, 3:7].argmax(axis=1)


def clusters(n, rng, graph_rng):
    """Draw the motif paper's clustered variables: 31 features, float64 (n, 31), and class 0 to 3.

    The variables form four groups of 8, 7, 9 and 7, each the points of one two-dimensional Gaussian; near pairs are
    linked, far pairs are not, and a link runs from the earlier variable to the later. An item picks a group, which is
    the class of the item: all features are -1, except that each variable of that group holds its number of ancestors
    in the graph, or 1 if it has none.

    The paper leaves open the Gaussians, the cut and how items are drawn. Here the variance is 1 around the corners of
    a square of side 8, links reach up to a distance of 1.5, and groups are equally likely. The graph is drawn from the
    seed and shared by both splits. There are four distinct rows.
    """
    group = np.repeat(np.arange(4), (8, 7, 9, 7))
    centers = np.array([(-4, -4), (-4, 4), (4, -4), (4, 4)])
    points = centers[group] + graph_rng.standard_normal((31, 2))
    near = ((points[:, None] - points) ** 2).sum(axis=2) <= 1.5**2
    ancestors = np.zeros((31, 31), bool)  # [i, j]: i is an ancestor of j
    for j in range(31):
        parents = near[:j, j].nonzero()[0]
        ancestors[:, j] = ancestors[:, parents].any(axis=1)
        ancestors[parents, j] = True
    values = np.maximum(ancestors.sum(axis=0), 1)
    labels = rng.integers(0, 4, n)
    return np.where(group == labels[:, None], values, -1.0), labels
