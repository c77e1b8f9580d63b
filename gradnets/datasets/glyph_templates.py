"""Draw the digits of matplotlib's fonts, and keep the drawings in a file.

`python -m gradnets.datasets.glyph_templates` draws all digits again and writes `glyph_templates.npz`, which lies beside
this module. Reading the file takes a fiftieth of the time of drawing, needs no matplotlib, and gives the same images
with every version of it: versions 3.9 and 3.11 differ in the outline of a 2, and in the fonts that they ship.

The fill of outlines is our own because libraries round coverage in their own ways: here a dot lies inside an outline
or not, and a count of dots is exact.
"""
from functools import lru_cache
from pathlib import Path

import numpy as np

from gradnets import files

FILE = Path(__file__).with_suffix(".npz")
FONTS = (  # those fonts of matplotlib whose ten digits are digits and stand on one line
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmb10", "cmr10", "cmss10", "cmti10", "cmtt10"),
)
SIDE = 28  # pixels along an image
DIGIT = 20  # pixels along the longer side of an undistorted digit, as in MNIST
CELLS = 3  # template cells along a pixel
DOTS = 4  # dots along a cell; each dot is inside the digit or outside


@lru_cache(maxsize=1)
def brightness():
    """Return the brightness of each template cell, 0 to 255: float32 (fonts, 10, 84, 84), not to be written to.

    A cell stands for a whole image pixel around the cell, so one bilinear sample is antialiased. A pixel is white if
    64 % of its area is inked, so hairlines stay white, as a pen leaves them.
    """
    with np.load(FILE, allow_pickle=False) as arrays:
        dots = arrays["dots"]
    for axis in (2, 3):
        dots = sum(np.roll(dots, shift, axis) for shift in (-1, 0, 1))
    inked = np.arange((CELLS * DOTS)**2 + 1) / DOTS**2 / CELLS**2  # share of a pixel, by its number of dots
    return np.minimum(255, 400 * inked).astype(np.float32)[dots]


def draw(font, digit):
    """Count the dots of a digit in each template cell: uint8 (84, 84), each 0 to 16. Needs matplotlib."""
    from matplotlib import get_data_path
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    file = Path(get_data_path(), "fonts", "ttf", font + ".ttf")
    outline = TextPath((0, 0), str(digit), size=100, prop=FontProperties(fname=file))
    contours = [contour * [1, -1] for contour in outline.to_polygons(closed_only=True)]  # y downwards
    low, high = np.min(np.vstack(contours), axis=0), np.max(np.vstack(contours), axis=0)
    pixel, width = CELLS * DOTS, SIDE * CELLS * DOTS  # in dots
    scale = DIGIT * pixel / max(high - low)
    corner = width / 2 - scale * (high - low) / 2
    inside = _fill([corner + scale * (contour - low) for contour in contours], width)
    # The center of mass moves to the middle, as in MNIST, but by one pixel at most: that of a 7 is far away.
    shift = [round(np.clip((width - 1) / 2 - index.mean(), -pixel, pixel)) for index in np.nonzero(inside)]
    inside = np.roll(inside, shift, axis=(0, 1)).reshape(SIDE * CELLS, DOTS, SIDE * CELLS, DOTS)
    return inside.sum(axis=(1, 3), dtype=np.uint8)


def _fill(contours, width):
    """Return which dots lie inside closed contours, by the rule of non-zero winding: bool (width, width).

    A hole runs against the contour around it, so there the windings cancel and the hole stays open.
    """
    winding = np.zeros((width, width + 1), np.int64)
    for contour in contours:
        (x0, y0), (x1, y1) = contour[:-1].T, contour[1:].T
        first = np.ceil(np.minimum(y0, y1) - 0.5).astype(np.int64)
        rows = np.ceil(np.maximum(y0, y1) - 0.5).astype(np.int64) - first  # number of rows that an edge crosses
        edge = np.repeat(np.arange(len(rows)), rows)
        row = first[edge] + np.arange(len(edge)) - (np.cumsum(rows) - rows)[edge]
        x = x0[edge] + (row + 0.5 - y0[edge]) * (x1 - x0)[edge] / (y1 - y0)[edge]
        np.add.at(winding, (row, np.ceil(x - 0.5).astype(np.int64)), np.sign(y1 - y0)[edge].astype(np.int64))
    return winding[:, :-1].cumsum(axis=1) != 0


def main():
    """Draw all digits of all fonts, and write their dots and the version of matplotlib to the file."""
    import matplotlib

    dots = np.stack([[draw(font, digit) for digit in range(10)] for font in FONTS])
    with files.atomic(FILE) as temporary:
        np.savez_compressed(temporary, dots=dots, matplotlib=matplotlib.__version__)
    print(f"{FILE}: {dots.shape[0] * dots.shape[1]} digits, {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
