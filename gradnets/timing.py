"""Time functions fairly: in turn, so that a busy moment of the machine meets all of them."""
import statistics
import time


def medians(functions, rounds, repetitions=None):
    """Return the median time of each function, run in turn: A B C A B C, after one round that does not count.

    Parameters
    ----------
    functions : dict of str to function without arguments
    rounds : int, positive
    repetitions : dict of str to int, optional
        How often a quick function runs in each round; once by default.

    Returns
    -------
    dict of str to float
        Seconds per call.
    """
    repetitions = repetitions or {}
    seconds = {name: [] for name in functions}
    for turn in range(rounds + 1):
        for name, function in functions.items():
            count = repetitions.get(name, 1)
            start = time.perf_counter()
            for _ in range(count):
                function()
            if turn:
                seconds[name].append((time.perf_counter() - start) / count)
    return {name: statistics.median(values) for name, values in seconds.items()}
