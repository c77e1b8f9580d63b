"""The figure and the finding of the gradients in a file: ranks of each matrix, dimensions over the recorded steps."""
import numpy as np

from gradnets import dimension, plots

DRAWN, CURVES = 3, 5  # layers that are drawn, and steps of each


def finding(rows, over_steps):
    """State the effective dimension of the first layer's gradients, or in how many directions a single one lies.

    `rows` and `over_steps` are those of `ranks.table`.
    """
    if over_steps:
        first, matrix = over_steps[0], next(row for row in rows if row["layer"] == over_steps[0]["layer"])
        words = f"Over {first['steps']:,} steps "
        return words + ("the first layer's effective dimension is more than the steps can show"
                        if _is_beyond(first, matrix) else
                        f"gradients of the first layer have an effective dimension of {_in_digits(first['dimension'])}")
    row = next(row for row in rows if "stable_rank" in row)
    least = min(row["rows"], row["columns"])
    return f"The gradient fills {_in_digits(row['participation_ratio'])} of {least:,} singular directions"


def _is_beyond(over_steps, matrix):
    """Return whether the estimate exceeds the number of entries: up to rounding, all gradients are orthogonal."""
    return over_steps["dimension"] > matrix["rows"] * matrix["columns"]


def _in_digits(number):
    """Return a number with three digits, or as a whole number with commas if it has more."""
    return f"{number:,.0f}" if 100 <= number < np.inf else f"{number:.3g}"


@plots.styled
def picture(rows, over_steps, shares, title, name):
    """Draw for each of the first layers the energy in its singular directions, and its ranks against the step.

    `rows`, `over_steps` and `shares` are those of `ranks.table`, `name` is that of the file. Returns a Figure.
    """
    layers = list(dict.fromkeys(row["layer"] for row in rows if row["name"] in shares))[:DRAWN]
    caption = (f"{name}. Dashed: a matrix of independent normal entries of the same shape. At most {DRAWN} layers and "
               f"{CURVES} steps of each are drawn.")
    mosaic = [[f"energy {k}", f"ranks {k}"] if over_steps else [f"energy {k}"] for k in range(len(layers))]
    figure, panels = plots.figure(mosaic, 11 if over_steps else 7, 1 + 3.1 * len(layers), title, caption)
    for k, layer in enumerate(layers):
        own = [row for row in rows if row["layer"] == layer and row["name"] in shares]
        _draw_energies(panels[f"energy {k}"], own, shares)
        if over_steps:
            _draw_ranks(panels[f"ranks {k}"], own, next((row for row in over_steps if row["layer"] == layer), None))
    return figure


def _draw_energies(axes, rows, shares):
    """Draw the energy that a layer's gradients have in their leading singular directions, at some steps."""
    chosen = [rows[place] for place in np.unique(np.linspace(0, len(rows) - 1, CURVES).astype(int))]
    colors = plots.shades(len(chosen)) if len(chosen) > 1 else [plots.RED]
    for row, color, dash in zip(chosen, colors, plots.DASHES[:1] + plots.DASHES[2:], strict=False):
        held = np.cumsum(shares[row["name"]])
        axes.plot(np.arange(1, len(held) + 1), held, color=color, ls=dash, lw=2,
                  label=f"step {row['step']:,}" if "step" in row else "gradient")
    held = np.cumsum(dimension.random_energy_shares(rows[0]["rows"], rows[0]["columns"]))
    axes.plot(np.arange(1, len(held) + 1), held, "--", color=plots.INK, lw=1, label="random matrix")
    axes.axhline(0.9, color=plots.PALE, lw=0.8, zorder=0)
    shape = f"{rows[0]['rows']:,} x {rows[0]['columns']:,}"
    axes.set(xscale="log", ylim=(0, 1.03), title=f"{rows[0]['layer'][-40:]}, {shape}",
             xlabel="number of leading singular directions", ylabel="share of the energy that they hold")
    axes.legend(fontsize=8, loc="best")


def _draw_ranks(axes, rows, over_steps):
    """Draw the ranks of a layer's gradients against the step, beside the dimension over all steps."""
    steps, lines = [row.get("step", 0) for row in rows], []
    for key, name, color, marker in (("stable_rank", "stable rank", plots.BLUE, "s"),
                                     ("participation_ratio", "participation ratio", plots.RED, "o"),
                                     ("rank_90", "rank for 90 %", plots.GREEN, "^")):
        values = [row[key] for row in rows]
        axes.plot(steps, values, color=color, marker=marker, ms=4)
        lines.append((steps, values, name, color))
    axes.axhline(rows[0]["random"], color=plots.INK, ls="--", lw=1)
    axes.set(yscale="log", title="ranks of each gradient" + (
        "" if not over_steps or _is_beyond(over_steps, rows[0]) else
        f"; dimension over all steps {_in_digits(over_steps['dimension'])}"))
    plots.name_steps(axes)
    plots.label_lines(axes, lines)
