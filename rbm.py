"""How does a restricted Boltzmann machine learn?

The model that the other scripts import: plain numpy, and a generator that yields every training step.

    machine = rbm.RBM(784, 100, init="normal(0.01)", seed=0)
    for step in rbm.train(machine, dataset, steps=500, learning_rate=0.05, batch_size=20):
        step.gradients[0]  # (784, 100), taken at the weights before this step's update

Run as a script it trains one machine by contrastive divergence on training images, compares them with held-out images,
and saves the weights and the learning curve.

Figure: test images above their reconstructions; reconstruction error against steps; the gap between the free energies
of test and training images, which grows as a machine overfits; weights of hidden units as images.

Sources: Hinton, Training products of experts by minimizing contrastive divergence, 2002; Tieleman, Training restricted
Boltzmann machines using approximations to the likelihood gradient, 2008; Hinton, A practical guide to training
restricted Boltzmann machines, 2010.

Takes 5 s.
"""
from dataclasses import replace
from functools import cached_property

import numpy as np

from gradnets import checks, learning, streams
from gradnets.errors import UserError

DATASET = "glyphs"          # data set with values in [0, 1]: glyphs, noise, noise-constant, mnist, cifar10 or cifar100
IMAGES = 10_000             # largest number of training images, from the first on
TEST_IMAGES = 2_000         # largest number of held-out images, compared with an equal number of training images
HIDDEN_UNITS = 100          # number of hidden units
INIT = "normal(0.01)"       # law of initial weights: uniform(scale), normal(scale), glorot or orthogonal(gain)
LEARNING_RATE = 0.05        # step length of gradient descent
K = 1                       # number of Gibbs steps before a chain is read
PERSISTENT = False          # continue the chains from step to step, instead of starting them at the batch
MEAN_FIELD = False          # keep probabilities of visible units in the chains, instead of samples
BATCH_SIZE = 20             # images per step, drawn with replacement
STEPS = 5_000               # number of updates
SEED = 0                    # seed of data, weights, the order of the images and the chains

# ---- not flags --------------------------------------------------------------------------------------------

RECORDS = 20                # rows of the learning curve, about
FILTERS = 36                # hidden units whose weights are drawn, at most
EXAMPLES = 10               # test images that are drawn with their reconstructions, at most
# Far out exp overflows to infinity, which gives the right limit; a diverged machine continues with NaN.
quiet = np.errstate(over="ignore", invalid="ignore")


# ---- the machine ------------------------------------------------------------------------------------------

class RBM:
    """Visible and hidden units that are 0 or 1, with P(v, h) proportional to exp(b·v + c·h + v·W·h); float64.

    Parameters
    ----------
    visible, hidden : int, positive
        Numbers of units.
    init : str
        The law of the weights; see `gradnets.streams.initial_weights`. normal(0.01) is from Hinton 2010, section 8.
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
    UserError
        If a number of units is not a positive integer, or init or seed is not one of those above.
    """

    def __init__(self, visible, hidden, init="normal(0.01)", seed=0):
        checks.positive_integers(visible=visible, hidden=hidden)
        rng = streams.generator(seed, streams.WEIGHTS)
        self.weights = streams.initial_weights(init, (visible, hidden), rng)
        self.visible_biases, self.hidden_biases = np.zeros(visible), np.zeros(hidden)

    @quiet
    def hidden_given(self, visible):
        """Return P(h = 1 | v), (batch, hidden), from states or probabilities of the visible units (batch, visible)."""
        total = visible @ self.weights
        total += self.hidden_biases
        return _sigmoid(total)

    @quiet
    def visible_given(self, hidden):
        """Return P(v = 1 | h), (batch, visible), from states or probabilities of the hidden units (batch, hidden)."""
        total = hidden @ self.weights.T
        total += self.visible_biases
        return _sigmoid(total)

    @quiet
    def free_energy(self, visible):
        """Return -log of the sum over h of exp(b·v + c·h + v·W·h), in nats: (batch,) from (batch, visible).

        The free energy is -log P(v), up to the constant log Z (Hinton 2010, section 16.1).
        """
        total = visible @ self.weights
        total += self.hidden_biases
        return -(visible @ self.visible_biases) - np.logaddexp(0, total).sum(axis=1)


def reconstruct(machine, inputs):
    """Return probabilities of the visible units after one pass up and down without sampling, (n, visible).

    Raises UserError unless the inputs are (n, visible) with values in [0, 1].
    """
    _check_images(machine, inputs, "the set")
    return machine.visible_given(machine.hidden_given(inputs))


def _sigmoid(total):
    return 1 / (1 + np.exp(-total))


def _sample(probabilities, rng):
    return (rng.random(probabilities.shape) < probabilities).astype(float)


# ---- training, a generator of recorded steps --------------------------------------------------------------

class Step:
    """What one training step computed. Nothing writes to these arrays later: keep them without copying.

    A gradient is a derivative of the mean of -log P(v) over the batch, as the chains estimate it at the parameters
    before the step's update. Training descends along it.

    Attributes
    ----------
    index : int
        From 1: step 1 is taken at the untrained weights.
    error : float
        Mean over batch and pixels of (v0 - P(v | h0))², with h0 sampled from P(h | v0).
    visible : float64 (batch, visible)
        v0, the images of the batch.
    hidden : float64 (batch, hidden)
        P(h | v0).
    reconstruction : float64 (chains, visible)
        vk, the state of the chains after k Gibbs steps. There is one chain per image unless chains are persistent.
    reconstruction_hidden : float64 (chains, hidden)
        P(h | vk).
    gradients : list of one float64 (visible, hidden)
        -(<v0 h0> - <vk hk>), means of outer products over batch and chains; computed when it is first read. With a
        single image and chain its rank is at most two.
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
    """Train by contrastive divergence on images drawn with replacement; yield each Step before its update is applied.

    While the body of the loop looks at a step, `machine` still holds the parameters at which the gradient was taken.
    The update is applied when the loop asks for the next step, and also after the last step.

    Parameters
    ----------
    machine : RBM
        Trained in place.
    dataset : datasets.Dataset
        With as many features as the machine has visible units, and values in [0, 1]: each value is the probability of
        its unit, and is used instead of a sample. Labels are not read.
    steps, batch_size : int, positive
    learning_rate : float, finite, not negative
    seed : int, not negative, or numpy.random.Generator
        Draws the images and the chains. The seed of the machine may be used again: it gives another random stream here.
    k : int, positive
        Number of Gibbs steps. Each chain starts at hidden units sampled from its image (CD-k, Hinton 2002).
    persistent : bool
        Chains continue from their state after the step before (Tieleman 2008), and start at images of the data set.
    chains : int, positive, optional
        Number of persistent chains; by default the batch size.
    mean_field : bool
        Chains keep P(v | h) instead of a sample of it, as many implementations do. There is less noise, but this is no
        longer Gibbs sampling: longer chains do not approach the machine's distribution.

    Yields
    ------
    Step

    Raises
    ------
    UserError
        If a number is outside these ranges, or the dataset does not fit the machine; before the first step.

    Notes
    -----
    Hidden units are sampled except the last, whose probabilities have the same mean and less noise (Hinton 2010,
    section 3). A step costs k + 1 matrix products upwards, k downwards, one for the update, which computes both outer
    products together, and with persistent chains one more for the error. A machine that diverges saturates: its error
    stays below 1 until the weights overflow, and then it continues with NaN.
    """
    checks.training_schedule(steps, learning_rate, batch_size)
    if chains is not None and not persistent:
        raise UserError(f"chains is {chains!r}, but without persistent chains each image has one chain: set "
                        "persistent, or leave chains out")
    chains = batch_size if chains is None else chains
    checks.positive_integers(k=k, chains=chains)
    _check_images(machine, dataset.inputs, dataset.name)
    rng = streams.generator(seed, streams.SAMPLES)
    return _steps(machine, dataset.inputs, steps, learning_rate, batch_size, rng, k, persistent, chains, mean_field)


def _steps(machine, inputs, steps, learning_rate, batch_size, rng, k, persistent, chains, mean_field):
    def images(count):
        return inputs[rng.integers(len(inputs), size=count)]

    def state(probabilities):
        return probabilities if mean_field else _sample(probabilities, rng)

    scratch = np.empty_like(machine.weights)  # saves an allocation per step
    if persistent:
        chain_hidden = _sample(machine.hidden_given(images(chains)), rng)
    for index in range(1, steps + 1):
        visible = images(batch_size)
        hidden = machine.hidden_given(visible)
        expected = machine.visible_given(_sample(hidden, rng))
        error = float(np.square(visible - expected).mean())
        if persistent:
            expected = machine.visible_given(chain_hidden)
        reconstruction = state(expected)
        for _ in range(k - 1):
            sampled_hidden = _sample(machine.hidden_given(reconstruction), rng)
            reconstruction = state(machine.visible_given(sampled_hidden))
        reconstruction_hidden = machine.hidden_given(reconstruction)
        if persistent:
            chain_hidden = _sample(reconstruction_hidden, rng)
        step = Step(index, error, visible, hidden, reconstruction, reconstruction_hidden)
        yield step
        _descend(machine, step, learning_rate, scratch)


@quiet
def _descend(machine, step, learning_rate, scratch):
    machine.weights -= _gradient(step, learning_rate, out=scratch)
    machine.visible_biases -= learning_rate * step.visible_gradient
    machine.hidden_biases -= learning_rate * step.hidden_gradient


def _gradient(step, scale=1.0, out=None):
    """Return `scale` times the gradient of the weights: both its terms in one product, one pass over the matrix."""
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
        raise UserError(f"{name} has {features} features, the machine {len(machine.weights)} visible units: expected "
                        "them to match")
    low, high = inputs.min(), inputs.max()
    if not (low >= 0 and high <= 1):  # this way round NaN is refused too
        raise UserError(f"values of {name} run from {low:g} to {high:g}: expected probabilities, within [0, 1]; choose "
                        "a data set of images")


# ---- as a script ------------------------------------------------------------------------------------------

@quiet
def compare(machine, training, test):
    """Compare a machine's reconstruction error and mean free energy on two arrays of images (n, visible).

    Returns a row. Its free_energy_gap is the mean free energy of the test images minus that of the training images,
    with a 95 % interval over images; the unknown log Z stands in both and cancels (Hinton 2010, section 6). Raises
    UserError as `reconstruct` does.
    """
    row, energies = {}, []
    for name, inputs in (("training", training), ("test", test)):
        row[f"{name}_error"] = np.square(inputs - reconstruct(machine, inputs)).mean()
        energies.append(machine.free_energy(inputs))
        row[f"{name}_free_energy"] = energies[-1].mean()
    gap = row["test_free_energy"] - row["training_free_energy"]
    error = 1.96 * np.sqrt(sum(energy.var() / len(energy) for energy in energies))
    return row | {"free_energy_gap": gap, "free_energy_gap_low": gap - error, "free_energy_gap_high": gap + error}


def learning_curve(machine, training, test, steps, records, **options):
    """Train a machine; return the rows of its learning curve, from the untrained machine to the last update.

    Parameters
    ----------
    machine : RBM
        Trained in place.
    training, test : datasets.Dataset
        The test images are compared with an equal number of training images.
    steps, records : int
        Number of updates, and of distances between rows.
    **options
        Arguments of `train`.

    Returns
    -------
    list of dict
        step, and the numbers of `compare`.
    """
    _check_images(machine, training.inputs, training.name)
    first = training.inputs[:len(test.inputs)]
    rows, _ = learning.curve(train(machine, training, steps, **options), steps, records, lambda step: step.error,
                             lambda errors: compare(machine, first, test.inputs))
    return rows


def tile(pictures, columns, blank):
    """Place pictures of one shape on one sheet, left to right and top to bottom, one `blank` pixel apart.

    Raises UserError unless all pictures are real numbers of the same shape, (height, width) or (height, width, colors).
    """
    pictures = [np.asarray(picture) for picture in pictures]
    kinds = {(picture.dtype.kind in "fiub", picture.shape) for picture in pictures}
    if len(kinds) != 1 or not all(real and len(shape) in (2, 3) and 0 not in shape for real, shape in kinds):
        types = ", ".join(sorted({str(picture.dtype) for picture in pictures}))
        raise UserError(f"{len(pictures)} pictures of shapes {sorted({picture.shape for picture in pictures})} and "
                        f"types {types}: expected real numbers and one shape")
    height, width, *colors = np.shape(pictures[0])
    lines = -(-len(pictures) // columns)
    sheet = np.full((lines * (height + 1) - 1, columns * (width + 1) - 1, *colors), blank)
    for place, picture in enumerate(pictures):
        top, left = place // columns * (height + 1), place % columns * (width + 1)
        sheet[top:top + height, left:left + width] = picture
    return sheet


@quiet
def filters(machine, dataset, count=FILTERS):
    """Return the weights of the first hidden units as one image, grey or coloured as the data are.

    A weight of 0 becomes 0.5, and a weight of three standard deviations becomes 0 or 1. In colour each filter has its
    own standard deviation: with one for all filters, most would be dull.
    """
    weights = machine.weights.T[:count]  # (count, visible)
    deviation = weights.std(axis=1 if len(dataset.shape) == 3 else None, keepdims=True)
    shades = 0.5 + weights / np.maximum(6 * deviation, np.finfo(float).tiny)
    return _sheet(dataset, shades.clip(0, 1), int(np.ceil(np.sqrt(len(weights)))))


def _sheet(dataset, inputs, columns):
    views = replace(dataset, inputs=inputs)
    return tile([views.picture(k) for k in range(len(inputs))], columns, 1.0)


def picture(rows, weights, images, title, caption):
    """Draw the figure. rows: of `learning_curve`; weights, images: sheets to draw, each (panel title, array)."""
    from gradnets import plots

    mosaic = [["images", "images", "weights"], ["error", "gap", "weights"]]
    figure, panels = plots.figure(mosaic, 13, 6.2, title, caption, width_ratios=(1, 1, 1.3), height_ratios=(0.62, 1))
    for name, (panel_title, sheet) in (("weights", weights), ("images", images)):
        panels[name].imshow(np.nan_to_num(sheet), cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
        panels[name].set(title=panel_title, xticks=[], yticks=[], anchor="NW")
        panels[name].spines[:].set_visible(False)
    height = len(images[1])
    panels["images"].set_yticks([0.25 * height, 0.75 * height], ["image", "rebuilt"])
    panels["images"].tick_params(axis="y", length=0)
    _draw_errors(panels["error"], rows)
    _draw_gap(panels["gap"], rows)
    return figure


def _draw_errors(axes, rows):
    """Draw the reconstruction errors of training and test images; the broad line shows beside the thin one."""
    from gradnets import plots

    lines, steps = [], [row["step"] for row in rows]
    looks = {"training": (plots.GREY, {"lw": 6, "alpha": 0.4}), "test": (plots.RED, {"marker": "o", "ms": 3})}
    for name, (color, look) in looks.items():
        errors = [row[f"{name}_error"] for row in rows]
        axes.plot(steps, errors, color=color, **look)
        lines.append((steps, errors, name, color))
    axes.set(title="reconstruction error", ylabel="mean square per pixel", yscale="log")
    plots.name_steps(axes)
    plots.label_lines(axes, lines)


def _draw_gap(axes, rows):
    """Draw the gap between the free energies of test and training images, with its 95 % band."""
    from gradnets import plots

    plots.draw_band(axes, [row["step"] for row in rows], rows, "free_energy_gap", plots.BLUE, ms=3)
    axes.axhline(0, color=plots.INK, lw=0.7)
    axes.set(title="free energy, test minus training", ylabel="nats (overfitting lifts it above 0)")
    plots.name_steps(axes)


def main(settings):
    """Train one machine; return its learning curve and its weights."""
    from gradnets import datasets, experiment, plots  # here, because the model itself needs numpy alone

    checks.positive_integers(images=settings.images, test_images=settings.test_images)
    training = datasets.load(settings.dataset, "train", settings.images, settings.seed)
    test = datasets.load(settings.dataset, "test", settings.test_images, settings.seed)
    machine = RBM(training.inputs.shape[1], settings.hidden_units, settings.init, settings.seed)
    rows = learning_curve(machine, training, test, settings.steps, RECORDS, learning_rate=settings.learning_rate,
                          batch_size=settings.batch_size, seed=settings.seed, k=settings.k,
                          persistent=settings.persistent, mean_field=settings.mean_field)

    finding = described(rows)
    chains = (("persistent " if settings.persistent else "") + f"CD-{settings.k}"
              + (" with mean-field chains" if settings.mean_field else ""))
    caption = (f"{training.name}, {len(training.inputs):,} training images; "
               f"{machine.weights.shape[0]}-{settings.hidden_units} machine, {chains}, batch {settings.batch_size}, "
               f"learning rate {settings.learning_rate:g}; n = 1 run, seed {settings.seed}. Errors and gap: of "
               f"{min(len(training.inputs), len(test.inputs)):,} training and {len(test.inputs):,} test images.\n"
               "Rebuilt: one pass up and down without sampling. Band: 95 % interval over images. Weights: 0 is "
               "mid-grey, black and white are three standard deviations.")
    examples = test.inputs[:EXAMPLES]
    images = _sheet(test, np.concatenate((examples, reconstruct(machine, examples))), len(examples))
    drawn = min(FILTERS, settings.hidden_units)
    figure = plots.styled(picture)(
        rows, (f"weights of {drawn} of {settings.hidden_units} hidden units", filters(machine, training)),
        ("test images, rebuilt by the hidden units", images), finding, caption)
    arrays = {"weights": machine.weights, "visible_biases": machine.visible_biases,
              "hidden_biases": machine.hidden_biases}
    arrays |= {key: np.array([row[key] for row in rows]) for key in rows[0]}
    return experiment.Result(rows, names=("step",), columns=("training_error", "test_error", "free_energy_gap"),
                             finding=finding, figure=figure, files={".npz": arrays}, printed=rows[::-2][::-1],
                             data=[training.provenance, test.provenance],
                             suggestion="rbm.py --images 500 shows a machine that overfits: the free-energy gap grows")


def described(rows):
    """Return the finding of a learning curve: a sentence without its full stop."""
    first, last = rows[0], rows[-1]
    if not np.isfinite(list(last.values())).all():
        return "Training diverged: the numbers are not finite, lower the learning rate"
    verb = "falls" if last["test_error"] < first["test_error"] else "rises"
    return f"Reconstruction error of test images {verb} from {first['test_error']:.3g} to {last['test_error']:.3g}"


if __name__ == "__main__":
    from gradnets import experiment

    experiment.run(main)
