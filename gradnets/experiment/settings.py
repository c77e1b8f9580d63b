"""The constants at the top of a script, and the frozen settings that its main receives.

Reading constants from the source by hand, instead of with a configuration library, keeps a script's settings where its
readers look for them: one line each, the comment behind it being the help text.
"""
import ast
import dataclasses
import difflib
import importlib.util
import io
import sys
import tokenize
from pathlib import Path

from gradnets import checks
from gradnets.errors import UserError
from gradnets.experiment import kinds

ROOT = Path(__file__).resolve().parents[2]  # the repository's folder
LINE = "# ---- not flags"                   # what stands below this line of a script is no setting


def constants(path):
    """Return the constants of a script that are settings: {NAME: (value, comment)}, in the file's order.

    A constant is a top-level assignment of a literal (a number, a string, a bool, or a tuple of one kind) to a name in
    capitals, with a comment behind it, above the line `# ---- not flags` or the first function or class.
    """
    source = Path(path).read_text(encoding="utf-8")
    comments, last = _comments(source)
    settings = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) or node.lineno > last:
            break
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            continue
        name = node.targets[0].id
        if name.isupper() and node.end_lineno in comments:
            try:
                value = ast.literal_eval(node.value)
            except ValueError:  # derived from other values, and so not a setting
                continue
            if isinstance(value, bool | int | float | str | tuple):
                settings[name] = value, comments[node.end_lineno].lstrip("# ")
    return settings


def _comments(source):
    """Return the comments of a script by their lines, up to the line `# ---- not flags`, and the number of that line.

    Without that line, return all comments, and the number of all lines.
    """
    comments = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if token.string.startswith(LINE):
                return comments, token.start[0]
            comments[token.start[0]] = token.string
    return comments, token.end[0]


def quick_settings(path):
    """Return what --quick changes: the literal QUICK of a script, {lower-case name: value}, or {} without one."""
    for node in ast.parse(Path(path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "QUICK":
            return ast.literal_eval(node.value) if isinstance(node.value, ast.Dict) else {}
    return {}


def settings(script, **changes):
    """Return the frozen settings of a script: its constants, in lower case, with some of them changed.

    Parameters
    ----------
    script : str, module or function
        The script's name without .py, its module, or its main function.
    **changes
        New values by lower-case names. Lists become tuples, as in the constants.

    Returns
    -------
    frozen dataclass with one field a constant, such as settings.learning_rate

    Raises
    ------
    UserError
        If the script has no such constant, a value is of another kind than the constant was, or the seed is not an
        integer of at least 0.
    """
    path = path_of(script)
    values = {name.lower(): value for name, (value, _) in constants(path).items()}
    for name, value in changes.items():
        if name not in values:
            close = difflib.get_close_matches(name, values, n=1)
            raise UserError(f"{path.name} has no setting {name!r}"
                            + (f", did you mean {close[0]}?" if close else f": expected one of {', '.join(values)}"))
        values[name] = tuple(value) if isinstance(value, list) else value
    if path.parent == ROOT:
        kinds.check(path.stem, values)
    if "seed" in values:
        checks.seed(values["seed"])
    return dataclasses.make_dataclass("Settings", values, frozen=True)(**values)


def path_of(script):
    """Return the file of a script, from its name, its module or its main function."""
    if isinstance(script, str):
        spec = importlib.util.find_spec(script)  # does not import the script
        if spec is None or spec.origin is None:
            raise UserError(f"there is no script {script!r}: expected the name of a file, such as grad_network")
        return Path(spec.origin)
    return Path(getattr(script, "__file__", None) or sys.modules[script.__module__].__file__)
