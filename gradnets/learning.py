"""The learning curve of any model: run a training, and measure the model at even distances."""
from dataclasses import replace

import numpy as np

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


def classifier_curve(training, accuracy, datasets, steps, records, recorded=lambda step: None,
                     summarized=lambda numbers: {}):
    """Run the training of a classifier, and measure its loss and accuracy about `records` times on the way.

    Parameters
    ----------
    training : iterable of steps, each with an index, from 1, and a loss
    accuracy : function from a data set to the share of its items that the model classifies correctly
    datasets : pair of datasets.Dataset, for training and for tests
        The accuracy on training items is that of the first ones, as many as there are test items.
    steps, records : as `curve` takes them
    recorded : function from a step to what is kept of it beside the loss
    summarized : function from the list of what was kept since the last row to further numbers of a row

    Returns
    -------
    rows : list of dict
        step, loss (mean since the row before), training_accuracy, test_accuracy, and the further numbers.
    kept : list
        What `recorded` returned, one item per step.
    """
    whole, test = datasets
    first = replace(whole, inputs=whole.inputs[:len(test.labels)], labels=whole.labels[:len(test.labels)])

    def measured(recent):
        losses, numbers = zip(*recent, strict=True)
        return {"loss": np.mean(losses), "training_accuracy": accuracy(first), "test_accuracy": accuracy(test),
                **summarized(numbers)}

    rows, kept = curve(training, steps, records, lambda step: (step.loss, recorded(step)), measured)
    return rows, [numbers for _, numbers in kept]
