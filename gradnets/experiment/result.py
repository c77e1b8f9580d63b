"""What the main function of a script returns, and how other code runs a script by its name."""
import importlib
from collections import Counter
from dataclasses import dataclass, field

from gradnets.experiment.settings import settings


@dataclass(frozen=True)
class Result:
    """The result of one run of a script.

    Attributes
    ----------
    rows : list of dict
        The numbers behind the figure. Keys x, x_low and x_high are a value and its interval, and share a column of
        the printed table.
    names : tuple of str
        The columns that together name a row. No two rows have the same names; a row may lack some of the columns.
    finding : str
        What the run shows: one sentence, without its full stop.
    columns : tuple of str
        The columns worth printing, beside the names, the most important one first; all columns if empty.
    headings : dict
        Words for the heads of columns, such as {"over_null": "observed / null"}, and in sweeps for the names of rows.
    printed : list of dict
        The rows worth printing; all rows if empty.
    figure : matplotlib.figure.Figure or None
        Saved as <script>.png. Without a figure the table is printed and nothing is written.
    figures : dict
        Further figures by the end of their file's name: {"_epochs": Figure} is saved as <script>_epochs.png.
    files : dict
        Further files by the end of their name: {".npz": dict of arrays, ".graphml": networkx.Graph, ".csv": str,
        "_parts.json": dict, ".gif": bytes}.
    suggestion : str
        What to try next, printed as the last line; how to see the spread over seeds unless given.
    data : list of dict
        What was read: name, source and SHA-256, such as `dataset.provenance`.
    """

    rows: list
    names: tuple
    finding: str = ""
    columns: tuple = ()
    headings: dict = field(default_factory=dict)
    printed: list = field(default_factory=list)
    figure: object = None
    figures: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    data: list = field(default_factory=list)
    suggestion: str = ""

    def __post_init__(self):
        name, count = Counter(name_of(row, self.names) for row in self.rows).most_common(1)[0] if self.rows else ((), 0)
        if count > 1:
            raise AssertionError(f"{count} rows have the names {dict(zip(self.names, name, strict=True))}")


def name_of(row, names):
    """Return the values that name a row, None for each that the row lacks."""
    return tuple(row.get(name) for name in names)


def result_of(script, **changes):
    """Import a script by its name and return the Result of its main, with some settings changed."""
    module = importlib.import_module(script)
    return module.main(settings(module, **changes))
