"""Tables of rows as aligned text."""
import math
import shutil

import numpy as np


def table(rows, names, columns=(), headings=None, width=None):
    """Return rows as aligned text; an interval stands on a second line, under its value.

    Parameters
    ----------
    rows : list of dict
        Keys x, x_low and x_high share a column.
    names : tuple of str
        The columns that name a row. They stand at the left, again in each part of a wide table.
    columns : tuple of str, optional
        The other columns to show; all of them unless given.
    headings : dict, optional
        Words for the head of a column; else it is the column's key with spaces.
    width : int, optional
        Characters in a line before the table continues below; those of the terminal unless given.
    """
    width = width or shutil.get_terminal_size((140, 0)).columns
    present = dict.fromkeys(key for row in rows for key in row if not key.endswith(("_low", "_high")))
    names = [name for name in names if name in present]
    chosen = [key for key in (columns or present) if key in present and key not in names]
    headings = headings or {}
    left = [_column(rows, key, headings) for key in names]
    parts, used = [[]], 0
    for column in [_column(rows, key, headings) for key in chosen]:
        if parts[-1] and used + 2 + len(column[0]) > width:
            parts.append([])
        if not parts[-1]:
            used = sum(len(name[0]) + 2 for name in left)
        parts[-1].append(column)
        used += 2 + len(column[0])
    return "\n\n".join("\n".join("  ".join(cells).rstrip() for cells in zip(*left, *part, strict=True)
                                 if "".join(cells).strip()) for part in parts)


def _column(rows, key, headings):
    """Return the cells of a column, all of one width: the head in two lines, then two lines a row."""
    head = headings.get(key, key.replace("_", " "))
    cells = ["", head] if " " not in head else head.split(" ", 1)
    for row in rows:
        value = row.get(key)
        cells.append("" if value is None else cell(value))
        low, high = row.get(key + "_low"), row.get(key + "_high")
        cells.append("" if low == high else f"{cell(low)}..{cell(high)}")
    width = max(map(len, cells))
    words = any(isinstance(row.get(key), str) for row in rows)
    return [text.ljust(width) if words else text.rjust(width) for text in cells]


def cell(value):
    """Return a value as tables show it: a fraction with three digits, and - for what is not finite."""
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            return "-"
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def words(value):
    """Return a setting's value in words, such as yes for True."""
    if isinstance(value, tuple | list):
        return " ".join(map(words, value))
    return ("yes" if value else "no") if isinstance(value, bool) else cell(value)
