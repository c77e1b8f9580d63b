"""Run a script from the shell."""
import atexit
import contextlib
import gc
import sys
import time
from pathlib import Path

from gradnets import files
from gradnets.errors import UserError, one_line
from gradnets.experiment import flags
from gradnets.experiment.settings import path_of, quick_settings, settings
from gradnets.threads import single_blas_thread


def run(main, argv=None):
    """Run a script's `main` with the settings of the command line, then print and save its Result.

    With --sweep or --seeds `main` runs many times, and the results are <script>_sweep.png and <script>_sweep.json.

    Parameters
    ----------
    main : function of frozen settings that returns a Result
    argv : list of str, optional
        The words of the command line; those of the process unless given.

    Returns
    -------
    int
        0. A user's mistake (UserError, OSError, MemoryError) ends the process with one line on standard error and exit
        status 2, and Ctrl-C with exit status 130. Any other exception is a fault of the code and passes through.

    Notes
    -----
    BLAS is held to one thread: small nets run faster so, and the same seed gives the same rows whatever the number of
    cores.
    """
    path = path_of(main)
    parser = flags.parser(path, sys.modules[main.__module__].__doc__)
    options = vars(parser.parse_args(argv))
    out, traceback, picture = Path(options.pop("out")), options.pop("traceback"), options.pop("format")
    quick = quick_settings(path) if options.pop("quick", False) else {}
    many = {name: options.pop(name) for name in flags.MANY if name in options}
    many = {name: value for name, value in many.items() if value is not None}
    if many and not many.keys() & {"sweep", "seeds"}:
        parser.error(f"--{min(many)} without --sweep or --seeds: it is for many runs")
    try:
        chosen = settings(main, **quick | {name.lower(): value for name, value in options.items()})
        files.make_writable_folder(out)
        with contextlib.nullcontext() if many else _rare_garbage_collection():
            _run(main, path.stem, chosen, many, out, picture)
    except (UserError, OSError, MemoryError) as error:
        if traceback:
            raise
        print(f"{path.stem}: {one_line(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        kept = f", finished runs are in {many['store']}" if many.get("store") else ""
        print(f"{path.stem}: interrupted, nothing written{kept}", file=sys.stderr)
        raise SystemExit(130) from None
    return 0


@contextlib.contextmanager
def _rare_garbage_collection():
    """Search for garbage less often inside a block, and not at all when the process ends.

    The 250,000 objects that libraries and a figure consist of live until the end. The usual searches among them, and
    the last search, whose memory the system takes back anyway, were a tenth of the time of a run of three seconds.
    Many runs in one process keep the usual searches, since the figures of finished runs are garbage there.
    """
    atexit.register(gc.freeze)  # what is frozen is not searched
    thresholds = gc.get_threshold()
    gc.set_threshold(10_000)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def _run(main, script, chosen, many, out, picture):
    from dataclasses import asdict

    from gradnets.experiment import records, tables

    stem, facts, start = script, {}, time.perf_counter()
    with single_blas_thread():
        if many:
            from gradnets.experiment import sweep
            result, facts = sweep.run(script, asdict(chosen), **many)
            stem = f"{script}_sweep"
        else:
            result = main(chosen)
    table = tables.table(result.printed or result.rows, result.names, result.columns, result.headings)
    if result.figure is None:
        print(table)
        return
    record = records.record(script, asdict(chosen), result, time.perf_counter() - start) | facts
    paths = records.save(out, stem, result, record, picture)
    print(table)
    if record["finding"]:
        print(f"\n{record['finding']}.")
    lost = facts.get("without_result", ())
    if lost:
        count = "1 run has" if len(lost) == 1 else f"{len(lost)} runs have"
        print(f"\n{count} no result, such as {tables.cell(lost[0]['value'])}, seed {lost[0]['seed']}: "
              f"{lost[0]['ended']}.")
    print(f"\n{record['seconds']:.1f} s; wrote {', '.join(map(str, paths))}")
    repeat = "" if many or not hasattr(chosen, "seed") else "--seeds 5 shows the spread over seeds, "
    print(f"Try next: {result.suggestion or f'{repeat}--help lists all settings'}.")
