"""Time functions fairly: in turn, and by processor time, so that other work on the machine counts for nobody."""
import statistics
import time


def medians(functions, rounds, repetitions=None):
    """Return the median processor time of each function, run in turn: A B C A B C, after one round that does not count.

    Parameters
    ----------
    functions : dict of str to function without arguments
    rounds : int, positive
    repetitions : dict of str to int, optional
        How often a quick function runs in each round; once by default.

    Returns
    -------
    dict of str to float
        Seconds per call, of all threads of this process together.
    """
    repetitions = repetitions or {}
    seconds = {name: [] for name in functions}
    for turn in range(rounds + 1):
        for name, function in functions.items():
            count = repetitions.get(name, 1)
            start = time.process_time()
            for _ in range(count):
                function()
            if turn:
                seconds[name].append((time.process_time() - start) / count)
    return {name: statistics.median(values) for name, values in seconds.items()}
