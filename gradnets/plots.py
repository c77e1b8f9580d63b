"""The house style, and the kinds of panel that several scripts share.

A script's picture is one function, decorated with `styled`, that makes a `figure`, fills its panels with the `draw_`
functions and with matplotlib's own, and returns it. There is no pyplot, so no window and no global state.
matplotlib is imported by the functions that draw: scripts that only print their help do not wait for it.
"""
import functools
import textwrap

import numpy as np

from gradnets import checks, summaries
from gradnets.errors import UserError

# Colors that color-blind readers can tell apart (Okabe and Ito 2008), and three shades for text and lines, of which INK
# and GREY have a contrast of at least 4.5 to 1 on white. Each color goes with a second mark: a marker or a dash.
INK, GREY, PALE = "#1d2733", "#5f6b78", "#d9dee4"
BLUE, RED, GREEN, ORANGE, SKY, PURPLE = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#56b4e9", "#cc79a7"
COLORS = (RED, BLUE, GREEN, INK, ORANGE, PURPLE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2)))
TAIL = 12, 1e-4  # largest magnitude, in root mean squares, and smallest share of a panel of `draw_tails`
NEAR = 11  # points from a name to what it names, without a line between them
LONGEST_TITLE, MOST_PANELS = 90, 6  # characters, and panels of a figure
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


def styled(function):
    """Decorate a function that returns a figure, alone or first: the house style holds inside it, and nowhere else."""
    @functools.wraps(function)
    def draw(*args, **kwargs):
        import matplotlib
        with matplotlib.rc_context(STYLE):
            drawn = function(*args, **kwargs)
            for axes in (drawn[0] if isinstance(drawn, tuple) else drawn).axes:
                plain_ticks(axes)
            return drawn
    return draw


def plain_ticks(axes):
    """Write the ticks of logarithmic axes as 0.02, 6, 60 and 1,000, or as powers of ten beyond these sizes."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, LogFormatterMathtext, LogLocator, NullFormatter
    for axis, (low, high) in ((axes.xaxis, sorted(axes.get_xlim())), (axes.yaxis, sorted(axes.get_ylim()))):
        if axis.get_scale() != "log" or isinstance(axis.get_major_locator(), FixedLocator):
            continue
        decades = np.log10(high / low)
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 1.3 else (1, 3) if decades < 2.2 else (1,),
                                          numticks=7))
        ticks = [tick for tick in axis.get_major_locator()() if low <= tick <= high]
        if ticks and min(ticks) >= 1e-3 and max(ticks) <= 1e5:
            axis.set_major_locator(FixedLocator(ticks))
            axis.set_major_formatter(FixedFormatter([f"{tick:,.0f}" if tick >= 1 else f"{tick:g}" for tick in ticks]))
        else:
            axis.set_major_formatter(LogFormatterMathtext())
        axis.set_minor_formatter(NullFormatter())


def figure(mosaic, width, height, title, caption, **options):
    """Make a figure with a title, a caption and named panels.

    Parameters
    ----------
    mosaic : list of lists of str
        The panels, as matplotlib's `subplot_mosaic` takes them.
    width, height : float
        In inches.
    title, caption : str
        The finding, and what it was measured on: data, settings, n. Both are broken into lines of the figure's width.
    **options
        For `subplot_mosaic`.

    Returns
    -------
    matplotlib.figure.Figure, dict of str to Axes
    """
    from matplotlib.figure import Figure
    title, caption = drawable(title), drawable(caption)
    title = textwrap.fill(title, int(9.8 * width))  # characters of bold letters in an inch
    caption = "\n".join(textwrap.fill(line, int(14 * width)) for line in caption.split("\n"))
    below = 0.40 + 0.20 * title.count("\n")  # inches, from the top to the caption
    head = below + 0.05 + 0.16 * (caption.count("\n") + 1)
    drawing = Figure(figsize=(width, height), layout="constrained")
    drawing.get_layout_engine().set(w_pad=0.08, h_pad=0.08, rect=(0, 0, 1, 1 - head / height))
    panels = drawing.subplot_mosaic(mosaic, **options)
    drawing.suptitle(title, x=0.12 / width, y=1 - 0.12 / height, fontsize=12, fontweight="bold", ha="left", va="top")
    drawing.text(0.12 / width, 1 - below / height, caption, fontsize=9, color=GREY, va="top", linespacing=1.3)
    return drawing, panels


def drawable(text):
    """Return text that is drawn letter by letter, such as the name of a file.

    A dollar sign begins no formula, and a character that the font lacks is written by its number, as in \\u4e2d.
    """
    from matplotlib.font_manager import FontProperties, findfont, get_font
    font = get_font(findfont(FontProperties()))
    return "".join(letter if letter == "\n" or font.get_char_index(ord(letter)) else
                   letter.encode("unicode_escape").decode() for letter in text).replace("$", r"\$")


def counted(number, noun, plural=""):
    """Return a number and its noun, in the plural unless the number is 1: "1 run", "1,000 runs".

    plural : str, of a noun that takes more than an s
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def text_color(color):
    """Return a color for text on white: the color itself, darkened until its contrast is at least 4.5 to 1."""
    from matplotlib.colors import to_hex, to_rgb
    rgb = np.array(to_rgb(color))
    while _contrast(rgb) < 4.5:
        rgb *= 0.95
    return to_hex(rgb)


def _contrast(rgb):
    """Return the contrast of a color on white, by the Web Content Accessibility Guidelines 2.1."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055)**2.4)
    return 1.05 / (linear @ (0.2126, 0.7152, 0.0722) + 0.05)


def label_line(axes, x, y, text, color, **options):
    """Write the name of a line beside its last point (x[-1], y[-1]), in the line's color."""
    axes.annotate(text, (x[-1], y[-1]), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8,
                  color=text_color(color), annotation_clip=False, **options)


def label_lines(axes, lines, gap=0.06):
    """Write the names of several lines beside their last points, moved apart where they would overlap.

    Call this when the axes have their limits and scales.

    Parameters
    ----------
    lines : list of (x, y, text, color)
        Of a line, its points x and y; a line whose last point has no place on the axes has no name.
    gap : float
        Smallest distance of two names, as a share of the height of the axes.
    """
    import scipy
    axes.get_xlim(), axes.get_ylim()  # the limits that follow the data are computed when they are read
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [(*to_axes.transform((x[-1], y[-1])), text, color) for x, y, text, color in lines]
    ends = sorted((end for end in ends if np.isfinite(end[:2]).all()), key=lambda end: end[1])
    if not ends:
        return
    steps = gap * np.arange(len(ends))
    heights = scipy.optimize.isotonic_regression([end[1] for end in ends] - steps).x + steps  # nearest with the gap
    for (place, _, text, color), height in zip(ends, heights, strict=True):
        axes.annotate(text, (place, height), xytext=(5, 0), xycoords="axes fraction",
                      textcoords="offset points", va="center", fontsize=8, color=text_color(color),
                      annotation_clip=False)


def label_points(axes, points, avoid=(), size=8):
    """Write the name of each point beside it, where it overlaps no other name or point, if there is such a place.

    Call this when all else is drawn and the axes have their limits and scales. A name that finds room only at a
    distance gets a line to its point.

    Parameters
    ----------
    points : list of (x, y, text, color)
        The first ones choose first.
    avoid : list of (x, y)
        Further places that names leave free, such as those along a line.
    size : float
        Of the letters, in points; names are taken to be 0.55 of it wide per letter.
    """
    axes.figure.draw_without_rendering()  # which lays out the panels
    unit = 72 / axes.figure.dpi
    places, free = (axes.transData.transform(np.reshape([point[:2] for point in group], (-1, 2))) * unit
                    for group in (points, avoid))
    left, bottom, right, top = axes.get_window_extent().extents * unit
    # Boxes have a left, a bottom, a right and a top.
    taken = np.concatenate([np.c_[places - 4, places + 4], np.c_[free - 1, free + 1]])
    for (x, y), (*point, text, color) in zip(places, points, strict=True):
        half = np.array([0.275 * len(text), 0.6]) * size
        candidates = []
        for distance in (7, 11, 16, 22, 30, 40):
            for angle in (0, 180, 90, 270, 45, 135, 225, 315, 20, 160, 200, 340):
                direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
                middle = direction * (distance + half) * np.where(abs(direction) > 0.3, 1, 0.3) + (x, y)
                boxes = np.r_[middle - half, middle + half][None]
                if distance > NEAR:  # the line to the name
                    steps = (x, y) + np.linspace(0.3, 0.9, 7)[:, None] * (middle - (x, y))
                    boxes = np.vstack([boxes, np.c_[steps - 1, steps + 1]])
                overlap = (np.minimum(boxes[:, None, 2:], taken[:, 2:])
                           - np.maximum(boxes[:, None, :2], taken[:, :2])).clip(0).prod(axis=2).sum()
                inside = (boxes[0, :2] >= (left, bottom)).all() and (boxes[0, 2:] <= (right, top)).all()
                candidates.append((overlap + (not inside) * 1e6, distance, len(candidates), middle, boxes))
        _, distance, _, middle, boxes = min(candidates, key=lambda candidate: candidate[:3])
        taken = np.vstack([taken, boxes])
        line = {"arrowstyle": "-", "color": GREY, "lw": 0.5, "shrinkA": 0, "shrinkB": 3}
        axes.annotate(text, point, xytext=middle - (x, y), textcoords="offset points", ha="center",
                      va="center", fontsize=size, color=text_color(color), in_layout=False,
                      arrowprops=line if distance > NEAR else None)


def draw_source(axes, x, y, **options):
    """Draw a number of a source as an open diamond."""
    return axes.plot(x, y, **{"marker": "D", "ms": 7, "mfc": "white", "mec": INK, "mew": 1.3, "ls": "none",
                              "zorder": 5} | options)


def shades(count):
    """Return colors from light to dark, float64 (count, 4), for curves that have an order, such as steps."""
    import matplotlib
    return matplotlib.colormaps["viridis_r"](np.linspace(0.1, 1, count))


def draw_matrix(axes, matrix):
    """Draw a matrix as an image: bools as dots on white, magnitudes on a logarithmic scale over four decades.

    Raises UserError unless the entries are finite and the largest magnitude is positive and of ordinary size.
    """
    from matplotlib.colors import LogNorm
    matrix = checks.real_array("matrix", matrix, axes=2)
    if matrix.dtype == bool:
        axes.imshow(matrix, cmap="Greys", vmin=0, vmax=1, interpolation="antialiased", aspect="auto")
        return
    if not 1e-300 < float(matrix.max()) < 1e300:
        raise UserError(f"the largest of {matrix.size} magnitudes is {matrix.max():.6g}: expected a positive number of "
                        "ordinary size, normalise the matrix first")
    norm = LogNorm(matrix.max() * 1e-4, matrix.max(), clip=True)
    image = axes.imshow(matrix, cmap="magma", norm=norm, interpolation="antialiased", aspect="auto")
    axes.figure.colorbar(image, ax=axes, pad=0.02, extend="min")


def draw_ccdf(axes, samples, color, label, band=False):
    """Draw the share of values that are at least x, on log-log axes: its median over samples, or its middle 90 %.

    Parameters
    ----------
    samples : list of number arrays
        One a draw, of one length. Zeros count in the shares but have no place on the axis.
    band : bool
        Draw the middle 90 % over the samples instead of the median.

    Raises
    ------
    UserError
        If a sample is not a row of finite numbers.
    """
    samples = [checks.real_array("sample", values, axes=1) for values in samples]
    grid = np.unique(np.concatenate(samples))
    grid = grid[grid > 0]
    shares = [1 - np.searchsorted(np.sort(values), grid) / len(values) for values in samples]
    low, median, high = summaries.quantiles(shares, axis=0)
    least = 0.5 / len(samples[0])  # less than one unit: nothing is there to see
    bottom = axes.get_ylim()[0] if axes.get_yscale() == "log" else 1  # of the curves drawn before
    axes.set(xscale="log", yscale="log")
    if band:
        axes.fill_between(grid, np.maximum(low, least), high, where=high >= least, color=color, alpha=0.2, lw=0,
                          label=label)
    else:
        axes.plot(grid[median >= least], median[median >= least], color=color, lw=2, label=label)
    axes.set_ylim(min(least, bottom), 1.3)


def tail_curve(magnitudes):
    """Return x and the share of positive magnitudes that are at least x times their root mean square: two arrays.

    Both have some hundred entries, or none without a positive magnitude. Magnitudes may have any number of axes. Raises
    UserError if they are not finite.
    """
    values = checks.real_array("magnitudes", magnitudes).ravel()
    values = np.sort(values[values > 0]).astype(float)
    if not len(values):
        return values, values
    values /= values[-1]  # squares of tiny deltas would underflow
    values /= np.sqrt((values**2).mean())
    ranks = np.r_[np.linspace(0, len(values) - 1, 400), len(values) - np.geomspace(1, len(values), 400)]
    ranks = np.unique(ranks.astype(int))
    return values[ranks], 1 - ranks / len(values)


def draw_tails(axes, curves):
    """Draw curves of `tail_curve` beside an exponential law, which is a straight line, since shares are logarithmic.

    Curves that go on beyond the panel get one note on how far.

    curves : list of (x, shares, options of the line)
    """
    beyond = []
    for x, shares, options in curves:
        axes.plot(x, shares, **{"lw": 2} | options)
        if len(x) and x[-1] > TAIL[0] and np.interp(TAIL[0], x, shares) > TAIL[1]:
            beyond.append((np.interp(0.85 * TAIL[0], x, shares), x[-1]))
    if beyond:
        axes.annotate(f"to {max(last for _, last in beyond):,.0f} \N{RIGHTWARDS ARROW}", (TAIL[0], max(beyond)[0]),
                      xytext=(0, 4), textcoords="offset points", ha="right", fontsize=8)
    axes.plot([0, TAIL[0]], [1, np.exp(-np.sqrt(2) * TAIL[0])], ":", color=INK, lw=1.5, label="exponential law")
    axes.set(yscale="log", xlim=(0, TAIL[0]), ylim=(TAIL[1], 1.3))


def draw_intervals(axes, rows, key, observed, label="network", show_labels=True, carry="line"):
    """Draw a line for each row: a dot at row[key] and a bar from its `_low` to its `_high`, or a ring without them.

    Parameters
    ----------
    rows : list of dict
    observed : str
        What the observed row has in the column `label`: it is red, and its value is carried to all rows.
    label : str
        The column that names a row, written at the left.
    show_labels : bool
        Panels side by side share the labels of the leftmost one.
    carry : "line" or "ticks"
        Whether the observed value is carried by a line, or by a tick on each row, which leaves room for words between.
    """
    for place, row in enumerate(rows):
        color = RED if row[label] == observed else INK
        alone = key + "_low" not in row
        if not alone:
            axes.plot([row[key + "_low"], row[key + "_high"]], [place, place], color=color, lw=4, alpha=0.3,
                      solid_capstyle="round")
        if key in row:
            axes.plot(row[key], place, "o", color=color, ms=6, mew=1.5, mfc="white" if alone else color)
        if key in row and row[label] == observed and carry == "line":
            axes.axvline(row[key], color=RED, lw=0.8, alpha=0.6, zorder=0)
        elif key in row and row[label] == observed:
            axes.plot([row[key]] * len(rows), range(len(rows)), "|", color=RED, ms=8, alpha=0.8, zorder=0)
    axes.set(yticks=range(len(rows)), ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticklabels([row[label] for row in rows] if show_labels else [])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=PALE, lw=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.08)


def draw_band(axes, x, rows, key, color, label=None, **line):
    """Draw row[key] against x as a line with dots, and the band between its `_low` and `_high` where rows have them."""
    low, high = ([row.get(key + end, np.nan) for row in rows] for end in ("_low", "_high"))
    if np.isfinite(low).any():
        axes.fill_between(x, low, high, color=color, alpha=0.2, lw=0)
    axes.plot(x, [row[key] for row in rows], **{"marker": "o", "color": color, "ms": 4, "label": label} | line)


def name_steps(axes):
    """Name the horizontal axis "step", and write few ticks, as 5,000."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def draw_training(loss, accuracy, rows):
    """Draw the learning curve of a classifier into two panels.

    loss, accuracy : Axes; rows : list of dict with step, loss, training_accuracy and test_accuracy.
    """
    steps = [row["step"] for row in rows]
    draw_band(loss, steps, rows, "loss", INK, ms=3)
    loss.set(title="loss of training samples", ylabel="mean since the last dot", yscale="log")
    lines = []
    for name, color, look in (("training", GREY, {"lw": 6, "alpha": 0.4, "marker": ""}), ("test", RED, {"ms": 3})):
        draw_band(accuracy, steps, rows, f"{name}_accuracy", color, **look)  # the broad line shows beside the thin one
        lines.append((steps, [row[f"{name}_accuracy"] for row in rows], name, color))
    accuracy.set(title="accuracy", ylabel="share of items classified correctly", ylim=(0, 1.02))
    label_lines(accuracy, lines)
    for panel in (loss, accuracy):
        name_steps(panel)


@styled
def learning_curve(rows, title, caption):
    """Return the figure of a training run, from rows with step, loss, training_accuracy and test_accuracy."""
    drawing, panels = figure([["loss", "accuracy"]], 9, 4.2, title, caption)
    draw_training(panels["loss"], panels["accuracy"], rows)
    return drawing
