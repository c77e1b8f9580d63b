"""A script's flags, made from its constants."""
import argparse
import difflib

from gradnets.experiment.settings import constants, quick_settings

MANY = ("sweep", "seeds", "jobs", "cluster", "store")  # flags of many runs, instead of one run
FORMATS = ("png", "svg", "pdf")                        # of figures
WIDTH = 120                                            # characters of a line of help


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, where argparse would print the whole usage before the error."""

    def error(self, message):
        if message.startswith("unrecognized arguments: "):
            word = message.split(": ", 1)[1].split()[0]
            close = difflib.get_close_matches(word, self._option_string_actions, n=1)
            message = f"unknown argument {word}" + (f", did you mean {close[0]}?" if close else "")
        self.exit(2, f"{self.prog}: {message} (--help lists the flags)\n")


class Once(argparse.Action):
    """Refuse a flag that is given twice, where argparse would silently take the last one."""

    def __call__(self, parser, options, values, flag=None):
        if getattr(options, self.dest) is not None:
            parser.error(f"{flag} is given twice: sweep one constant, and run the script again for another")
        setattr(options, self.dest, values)


def number(text):
    """Return a number as an int if it is whole: after LEARNING_RATE is edited to 1, --learning-rate 0.1 still works."""
    value = float(text)
    return int(text) if text.lstrip("+-").isdecimal() else int(value) if value.is_integer() else value


def flag_of(name):
    """Return the flag of a constant: --learning-rate for LEARNING_RATE."""
    return "--" + name.lower().replace("_", "-")


def parser(path, docstring):
    """Return the parser of a script's command line; the settings that it returns are those that were given.

    path : pathlib.Path, the script's file; docstring : str, printed above the flags.
    """
    made = Parser(prog=path.stem, usage=f"python {path.name} [flags]", description=docstring, allow_abbrev=False,
                  formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, width=WIDTH))
    settings = constants(path)
    group = made.add_argument_group("settings (each is also a constant at the top of the file)")
    for name, (value, comment) in settings.items():
        _add_flag(group, name, value, comment.replace("%", "%%"))
    if not settings.keys() & {name.upper() for name in MANY}:  # else the script runs ensembles itself
        group = made.add_argument_group("many runs in one figure")
        group.add_argument("--sweep", nargs="+", metavar=("SETTING", "VALUE"), action=Once,
                           help="run the script once for each of these values of a setting")
        group.add_argument("--seeds", type=number, metavar="INT",
                           help="number of seeds for each value, from SEED on; RUNS apart if there is RUNS [1]")
        group.add_argument("--jobs", type=number, metavar="INT", help="number of worker processes [1]")
        group.add_argument("--cluster", metavar="ADDRESS",
                           help="scheduler of a Dask cluster, as tcp://host:8786, used instead of worker processes")
        group.add_argument("--store", metavar="FILE", help="file of finished runs, which are not computed again")
    group = made.add_argument_group("every script")
    group.add_argument("--out", default="out", metavar="DIR", help="folder of the results [out]")
    group.add_argument("--format", choices=FORMATS, default="png", help="format of the figures [png]")
    if quick_settings(path):
        group.add_argument("--quick", action="store_true", help="fewer repetitions: seconds instead of minutes")
    group.add_argument("--traceback", action="store_true", help="show where an error came from")
    return made


def _add_flag(group, name, value, comment):
    if isinstance(value, bool):
        group.add_argument(flag_of(name), dest=name, default=argparse.SUPPRESS, action=argparse.BooleanOptionalAction,
                           help=f"{comment} [{'yes' if value else 'no'}]")
        return
    several = isinstance(value, tuple)
    kind = type(value[0]) if several else type(value)
    default = " ".join(map(str, value)) if several else value
    group.add_argument(flag_of(name), dest=name, default=argparse.SUPPRESS, type=number if kind is int else kind,
                       metavar=kind.__name__.upper(), nargs="+" if several else None, help=f"{comment} [{default}]")
