"""How does a restricted Boltzmann machine learn?

The model that the other scripts import, of numpy and mlp alone, and a generator that records every step.

    machine = rbm.RBM(784, 100, init="normal(0.01)", seed=0)
    for step in rbm.train(machine, dataset, steps=500, learning_rate=0.05, batch_size=20):
        step.gradients[0]  # (784, 100), taken at the weights before this step's update

Run as a script it trains one machine by contrastive divergence on training images, compares these with held-out ones,
and saves the weights and the learning curves.

Figure: reconstruction error against steps; the gap between the free energies of test and of training images, which
grows as a machine overfits; weights of hidden units as images; test images above their reconstructions.

Sources: Hinton, Training products of experts by minimizing contrastive divergence, 2002; Tieleman, Training restricted
Boltzmann machines using approximations to the likelihood gradient, 2008; Hinton, A practical guide to training
restricted Boltzmann machines, 2010.

Takes 5 s.
"""
from dataclasses import replace
from functools import cached_property

import numpy as np

from gradnets import checks, streams
from gradnets.errors import UserError

DATASET = "glyphs"          # pixels in [0, 1]: glyphs, noise, noise-constant, mnist, cifar10 or cifar100
IMAGES = 10_000             # at most so many training images, from the first on
TEST_IMAGES = 2_000         # at most so many held-out images, compared with as many training images
HIDDEN_UNITS = 100          # units of the hidden layer
INIT = "normal(0.01)"       # uniform(scale), normal(scale), glorot, glorot-normal or orthogonal(gain)
LEARNING_RATE = 0.05        # step length
K = 1                       # Gibbs steps of a chain before it is read
PERSISTENT = False          # chains go on from step to step, in place of starting at the batch
MEAN_FIELD = False          # chains keep the probabilities of the visible units, in place of samples
BATCH_SIZE = 20             # images a step, drawn with replacement
STEPS = 5_000               # updates
SEED = 0                    # seeds data, weights, the order of the images and the chains


# ---- the machine ------------------------------------------------------------------------------------------

# Far out exp overflows to infinity, which gives the right limit; a diverged machine goes on with NaN.
quiet = np.errstate(over="ignore", invalid="ignore")


class RBM:
    """Visible and hidden units that are 0 or 1, with P(v, h) proportional to exp(b·v + c·h + v·W·h); float64.

    Parameters
    ----------
    visible, hidden : int
        Numbers of units, positive.
    init : str
        Law of the weights, as `mlp.MLP` names it; normal(0.01) is from Hinton 2010, section 8.
    seed : int, not negative, or numpy.random.Generator

    Attributes
    ----------
    weights : float64 (visible, hidden)
        W.
    visible_biases : float64 (visible,)
        b, zero at the start.
    hidden_biases : float64 (hidden,)
        c, zero at the start.

    Raises
    ------
    ValueError
        For numbers of units that are not positive integers, and for an unknown init or seed.
    """

    def __init__(self, visible, hidden, init="normal(0.01)", seed=0):
        checks.positive_integers(visible=visible, hidden=hidden)
        self.weights = streams.initial_weights(init, (visible, hidden), streams.generator(seed, streams.WEIGHTS))
        self.visible_biases, self.hidden_biases = np.zeros(visible), np.zeros(hidden)

    @quiet
    def hidden_given(self, visible):
        """P(h = 1 | v): (batch, hidden) from states or probabilities of the visible units (batch, visible)."""
        total = visible @ self.weights
        total += self.hidden_biases
        return _sigmoid(total)

    @quiet
    def visible_given(self, hidden):
        """P(v = 1 | h): (batch, visible) from states or probabilities of the hidden units (batch, hidden)."""
        total = hidden @ self.weights.T
        total += self.visible_biases
        return _sigmoid(total)

    @quiet
    def free_energy(self, visible):
        """-log of the sum over h of exp(b·v + c·h + v·W·h), in nats: (batch,) from (batch, visible).

        Minus log P(v), up to the constant log Z (Hinton 2010, section 16.1).
        """
        total = visible @ self.weights
        total += self.hidden_biases
        return -(visible @ self.visible_biases) - np.logaddexp(0, total).sum(axis=1)


def reconstruct(machine, inputs):
    """Probabilities of the visible units, after one pass up and down that samples nothing: (n, visible).

    ValueError unless inputs are (n, visible) of values in [0, 1].
    """
    _check_images(machine, inputs, "the set")
    return machine.visible_given(machine.hidden_given(inputs))


def _sigmoid(total):
    return 1 / (1 + np.exp(-total))


def _sample(probabilities, rng):
    return (rng.random(probabilities.shape) < probabilities).astype(float)


# ---- training, a generator of recorded steps --------------------------------------------------------------

class Step:
    """What one step of training saw. Nothing in it is written to again: keep it without copying.

    A gradient is the derivative that is descended: of the mean of -log P(v) over the batch, as the chains estimate it
    at the parameters before the step's update.

    Attributes
    ----------
    index : int
        From 1: step 1 is taken at the untrained weights.
    error : float
        Mean over batch and pixels of (v0 - P(v | h0))², h0 sampled from P(h | v0).
    visible : float64 (batch, visible)
        v0, the images of the batch.
    hidden : float64 (batch, hidden)
        P(h | v0).
    reconstruction : float64 (chains, visible)
        vk, where the chains are after k Gibbs steps: as many as images in the batch, unless they are persistent.
    reconstruction_hidden : float64 (chains, hidden)
        P(h | vk).
    gradients : list of one float64 (visible, hidden)
        -(<v0 h0> - <vk hk>), means over batch and chains of outer products; formed when it is first read. That of a
        single image and chain has rank two at most.
    visible_gradient : float64 (visible,)
    hidden_gradient : float64 (hidden,)
    """

    def __init__(self, index, error, visible, hidden, reconstruction, reconstruction_hidden):
        self.index, self.error, self.visible, self.hidden = index, error, visible, hidden
        self.reconstruction, self.reconstruction_hidden = reconstruction, reconstruction_hidden

    @cached_property
    def gradients(self):
        return [_gradient(self)]

    @cached_property
    def visible_gradient(self):
        return self.reconstruction.mean(axis=0) - self.visible.mean(axis=0)

    @cached_property
    def hidden_gradient(self):
        return self.reconstruction_hidden.mean(axis=0) - self.hidden.mean(axis=0)


def train(machine, dataset, steps, learning_rate, batch_size=1, seed=0, k=1, persistent=False, chains=None,
          mean_field=False):
    """Contrastive divergence on images drawn with replacement; yields a Step before its update is applied.

    While the loop's body looks at a step, `machine` still holds the parameters at which its gradient was taken; the
    update follows when the loop asks for more, after the last step too.

    Parameters
    ----------
    machine : RBM
        Trained in place.
    dataset : datasets.Dataset
        As wide as the machine's visible layer, with values in [0, 1]: each is taken as the probability of its unit,
        in place of a sample. Labels are not looked at.
    steps, batch_size : int, positive
    learning_rate : float, finite, not negative
    seed : int, not negative, or numpy.random.Generator
        Draws the images and the chains; the machine's own number may serve again, it gives another stream here.
    k : int, positive
        Gibbs steps. Each chain starts at hidden units sampled from its image (CD-k, Hinton 2002).
    persistent : bool
        Chains go on from where the step before left them (Tieleman 2008), the first time from images of the data set.
    chains : int, positive, optional
        How many persistent chains; as many as images in a batch unless given.
    mean_field : bool
        Chains keep P(v | h) in place of a sample of it, as many implementations do. Less noise, but it is no longer
        Gibbs sampling: longer chains do not approach the machine's distribution.

    Raises
    ------
    ValueError
        For numbers outside these ranges and for a dataset that does not fit the machine.

    Notes
    -----
    Hidden units are sampled but for the last, whose probabilities have the same mean and less noise (Hinton 2010,
    section 3). A step costs k + 1 matrix products upwards, k downwards, one for the update, which takes both outer
    products at once, and with persistent chains one more for the error. A machine that diverges saturates: its error
    stays below 1 until the weights overflow, and then it goes on with NaN, as its numbers are.
    """
    checks.training_schedule(steps, learning_rate, batch_size)
    if chains is not None and not persistent:
        raise UserError(f"chains is {chains!r}, but only persistent chains have a number of their own: set "
                         "persistent, or leave chains out")
    chains = batch_size if chains is None else chains
    checks.positive_integers(k=k, chains=chains)
    _check_images(machine, dataset.inputs, dataset.name)
    rng = streams.generator(seed, streams.SAMPLES)
    return _steps(machine, dataset.inputs, steps, learning_rate, batch_size, rng, k, persistent, chains, mean_field)


def _steps(machine, inputs, steps, rate, batch_size, rng, k, persistent, chains, mean_field):
    def images(count):
        return inputs[rng.integers(len(inputs), size=count)]

    def state(probabilities):
        return probabilities if mean_field else _sample(probabilities, rng)

    scratch = np.empty_like(machine.weights)  # spares an allocation a step
    if persistent:
        particles = _sample(machine.hidden_given(images(chains)), rng)
    for index in range(1, steps + 1):
        visible = images(batch_size)
        hidden = machine.hidden_given(visible)
        expected = machine.visible_given(_sample(hidden, rng))
        error = float(np.square(visible - expected).mean())
        if persistent:
            expected = machine.visible_given(particles)
        reconstruction = state(expected)
        for _ in range(k - 1):
            sampled = _sample(machine.hidden_given(reconstruction), rng)
            reconstruction = state(machine.visible_given(sampled))
        reconstruction_hidden = machine.hidden_given(reconstruction)
        if persistent:
            particles = _sample(reconstruction_hidden, rng)
        step = Step(index, error, visible, hidden, reconstruction, reconstruction_hidden)
        yield step
        _descend(machine, step, rate, scratch)


@quiet
def _descend(machine, step, rate, scratch):
    machine.weights -= _gradient(step, rate, out=scratch)
    machine.visible_biases -= rate * step.visible_gradient
    machine.hidden_biases -= rate * step.hidden_gradient


def _gradient(step, scale=1.0, out=None):
    """`scale` times the gradient of the weights: both its terms in one product, a single pass over the matrix."""
    visible = np.concatenate((step.visible, step.reconstruction))
    hidden = np.concatenate((step.hidden * (-scale / len(step.hidden)),
                             step.reconstruction_hidden * (scale / len(step.reconstruction_hidden))))
    return np.matmul(visible.T, hidden, out=out)


def _check_images(machine, inputs, name):
    if inputs.ndim != 2 or inputs.dtype.kind not in "fiub":
        raise UserError(f"inputs of {name} are {inputs.dtype} of shape {inputs.shape}: expected a matrix of real "
                         "numbers")
    items, features = inputs.shape
    if items == 0:
        raise UserError(f"{name} has 0 items: expected at least one")
    if features != len(machine.weights):
        raise UserError(f"{name} has {features} features, the machine {len(machine.weights)} visible units: make them "
                         "match")
    low, high = inputs.min(), inputs.max()
    if not (low >= 0 and high <= 1):  # not a number fails too
        raise UserError(f"values of {name} run from {low:g} to {high:g}: expected probabilities, within "
                         "[0, 1]; choose a data set of images")


# ---- as a script ------------------------------------------------------------------------------------------

@quiet
def compare(machine, training, test):
    """The row of one moment: reconstruction error and mean free energy on both arrays of images (n, visible).

    The gap is the mean free energy of the test images less that of the training images, with its 95 % interval over
    images; the unknown log Z is in both and drops out (Hinton 2010, section 6). ValueError as `reconstruct`.
    """
    row, energies = {}, []
    for name, inputs in (("training", training), ("test", test)):
        row[f"{name}_error"] = np.square(inputs - reconstruct(machine, inputs)).mean()
        energies.append(machine.free_energy(inputs))
        row[f"{name}_free_energy"] = energies[-1].mean()
    gap = row["test_free_energy"] - row["training_free_energy"]
    error = 1.96 * np.sqrt(sum(energy.var() / len(energy) for energy in energies))
    return row | {"free_energy_gap": gap, "free_energy_gap_low": gap - error, "free_energy_gap_high": gap + error}


def learning_curve(machine, training, test, steps, records, **how):
    """Train, and compare both sets about `records` times, the start and the end included: a list of rows."""
    from gradnets import experiment

    _check_images(machine, training.inputs, training.name)
    few = training.inputs[:len(test.inputs)]
    every = -(-steps // records)
    rows = []
    for step in experiment.progress(train(machine, training, steps, **how), total=steps, what="training"):
        if (step.index - 1) % every == 0:  # so many updates have been applied by now
            rows.append({"step": step.index - 1} | compare(machine, few, test.inputs))
    return [*rows, {"step": steps} | compare(machine, few, test.inputs)]


def tile(pictures, columns, blank):
    """Pictures of one shape, left to right and top to bottom, one `blank` pixel between: one array to draw.

    ValueError for pictures of no numbers, or of other shapes than (height, width) and (height, width, colours).
    """
    pictures = [np.asarray(picture) for picture in pictures]
    kinds = {(picture.dtype.kind in "fiub", picture.shape) for picture in pictures}
    if len(kinds) != 1 or not all(real and len(shape) in (2, 3) and 0 not in shape for real, shape in kinds):
        raise UserError(f"{len(pictures)} pictures of shapes {sorted({p.shape for p in pictures})}, "
                         f"{', '.join(sorted({str(p.dtype) for p in pictures}))}: expected real numbers, one shape")
    height, width, *colours = np.shape(pictures[0])
    lines = -(-len(pictures) // columns)
    sheet = np.full((lines * (height + 1) - 1, columns * (width + 1) - 1, *colours), blank)
    for place, picture in enumerate(pictures):
        top, left = place // columns * (height + 1), place % columns * (width + 1)
        sheet[top:top + height, left:left + width] = picture
    return sheet


@quiet
def filters(machine, dataset, count=36):
    """Weights of the first hidden units as one image, grey or coloured as the data are.

    A weight of 0 is drawn as 0.5, one of three standard deviations as 0 or 1. In colour each filter has a deviation
    of its own, or most would be dull.
    """
    weights = machine.weights.T[:count]  # (count, visible)
    deviation = weights.std(axis=1 if len(dataset.shape) == 3 else None, keepdims=True)
    shades = 0.5 + weights / np.maximum(6 * deviation, np.finfo(float).tiny)
    views = replace(dataset, inputs=shades.clip(0, 1))
    columns = int(np.ceil(np.sqrt(len(weights))))
    return tile([views.picture(i) for i in range(len(weights))], columns, 1.0)


def picture(rows, weights, images, title, caption):
    """The figure. rows: of `learning_curve`; weights, images: sheets to draw, each as (panel title, array)."""
    from gradnets import plots

    mosaic = [["error", "gap", "weights"], ["images", "images", "weights"]]
    made, panels = plots.figure(mosaic, 13, 6, title, caption, width_ratios=(1, 1, 1.3), height_ratios=(1, 0.62))
    steps = [row["step"] for row in rows]
    for name, look in (("training", {"color": plots.GREY, "lw": 4}), ("test", {"color": plots.RED, "marker": "o"})):
        panels["error"].plot(steps, [row[f"{name}_error"] for row in rows], ms=3, label=name, **look)
    panels["error"].set(title="reconstruction error", xlabel="step", ylabel="mean square per pixel", yscale="log")
    panels["error"].legend()
    gap, low, high = ([row["free_energy_gap" + end] for row in rows] for end in ("", "_low", "_high"))
    panels["gap"].fill_between(steps, low, high, color=plots.BLUE, alpha=0.2, lw=0)
    panels["gap"].plot(steps, gap, "o-", color=plots.BLUE, ms=3)
    panels["gap"].axhline(0, color=plots.GREY, lw=0.7)
    panels["gap"].set(title="free energy, test less training", xlabel="step", ylabel="nats")
    for name, (what, sheet) in (("weights", weights), ("images", images)):
        panels[name].imshow(np.nan_to_num(sheet), cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
        panels[name].set_title(what)
        panels[name].set_axis_off()
        panels[name].set_anchor("N")
    return made


def main():
    from gradnets import datasets, experiment, plots  # here, so that the model itself needs numpy and mlp alone

    experiment.check_positive(IMAGES=IMAGES, TEST_IMAGES=TEST_IMAGES)
    training = datasets.load(DATASET, "train", IMAGES, SEED)
    test = datasets.load(DATASET, "test", TEST_IMAGES, SEED)
    machine = RBM(training.inputs.shape[1], HIDDEN_UNITS, INIT, SEED)
    rows = learning_curve(machine, training, test, STEPS, 20, learning_rate=LEARNING_RATE, batch_size=BATCH_SIZE,
                          seed=SEED, k=K, persistent=PERSISTENT, mean_field=MEAN_FIELD)

    last = rows[-1]
    title = (f"Reconstruction error of test images {rows[0]['test_error']:.3g} untrained, {last['test_error']:.3g} "
             f"after {STEPS:,} steps; free-energy gap {last['free_energy_gap']:.2g} nats "
             f"({last['free_energy_gap_low']:.2g} to {last['free_energy_gap_high']:.2g})")
    if not np.isfinite(list(last.values())).all():
        title = "Training diverged, the numbers are not finite: lower LEARNING_RATE"
    chains = ("persistent " if PERSISTENT else "") + f"CD-{K}" + (" with mean-field chains" if MEAN_FIELD else "")
    caption = (f"{training.name}, {machine.weights.shape[0]}-{HIDDEN_UNITS} machine, init {INIT}, {chains}, batch "
               f"{BATCH_SIZE}, learning rate {LEARNING_RATE:g}, seed {SEED}.\nTrained on {len(training.inputs):,} "
               f"images, compared on {min(len(training.inputs), len(test.inputs)):,} of them and "
               f"{len(test.inputs):,} held-out ones; reconstructions are made up and down without sampling.\n"
               "Band: 95 % interval of the gap over images. Weights: 0 is mid-grey, black and white are three standard "
               "deviations.")
    shown = test.inputs[:10]
    both = replace(test, inputs=np.concatenate((shown, reconstruct(machine, shown))))
    images = tile([both.picture(i) for i in range(len(both.inputs))], len(shown), 1.0)
    sheet = filters(machine, training)
    figure = plots.styled(picture)(rows, (f"weights of {min(36, HIDDEN_UNITS)} of {HIDDEN_UNITS} hidden units", sheet),
                                   ("test images, and their reconstructions", images), title, caption)
    arrays = {"weights": machine.weights, "visible_biases": machine.visible_biases,
              "hidden_biases": machine.hidden_biases}
    arrays |= {key: np.array([row[key] for row in rows]) for key in rows[0]}
    return rows, figure, {".npz": arrays}


if __name__ == "__main__":
    from gradnets import experiment

    experiment.run(main)
