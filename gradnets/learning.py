"""The learning curve of any model: run a training, and measure the model at even distances."""
from gradnets.progress import progress


def curve(training, steps, records, recorded, measured):
    """Run a training to its end, and measure the model about `records` times on the way.

    Parameters
    ----------
    training : iterable of steps, such as `mlp.train(...)` returns
        A step has an index, from 1, and arrives before its update is applied.
    steps, records : int, positive
        Number of steps in the training, and of distances between rows.
    recorded : function from a step to the numbers that are kept of every step
    measured : function from the list of what was kept since the last row, at most, to a row's numbers
        Called at the untrained model, after each ceil(steps / records) updates, and after the last update.

    Returns
    -------
    rows : list of dict
        `step`, the number of updates applied, and the numbers of `measured`.
    kept : list
        What `recorded` returned, one item per step.
    """
    every = -(-steps // records)
    rows, kept = [], []
    for step in progress(training, total=steps, label="training"):
        kept.append(recorded(step))
        if (step.index - 1) % every == 0:  # the update of this step has not been applied
            rows.append({"step": step.index - 1} | measured(kept[-every:]))
    rows.append({"step": steps} | measured(kept[-every:]))
    return rows, kept
