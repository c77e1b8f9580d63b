"""How does the share of negative curvatures depend on the loss?

1. index: the share of negative eigenvalues at critical points of a small net, against the loss there. Critical points
   are roots of the gradient, found from points along gradient descents.
2. spectrum: the eigenvalues of the Hessian of a classifier before and after training by Adam.

Figure: (1) the share of negative eigenvalues against the loss, one dot for each critical point; (2) the sorted
eigenvalues before and after training, with the loss.

Source: Yann Dauphin and others, *Identifying and attacking the saddle point problem in high-dimensional non-convex
optimization*, 2014: the index against the error.

Takes 15 s.
"""
import numpy as np
import scipy

import mlp
import optimizers
from gradnets import checks, curvature, datasets, experiment, plots, streams
from gradnets.errors import UserError
from gradnets.progress import progress

PARTS = ("index", "spectrum")  # parts to run: index, spectrum or both
DATASET = "glyphs"          # data set of gray images: glyphs, noise or mnist
IMAGES = 500                # number of images; index uses at most 100 of them, with labels 0 to 3
STARTS = 40                 # number of gradient descents along which critical points are searched
STEPS = 10_000              # number of training steps before the second spectrum
SEED = 0                    # seed of data, weights and samples

# ---- not flags --------------------------------------------------------------------------------------------

L2 = 3e-3                                       # weight of the squared parameters, of index
SEARCHES = (0, 5, 10, 20, 40, 80, 160, 399)     # iterations of a descent from which a root is searched
SCALES = (0.1, 0.3, 1.0)                        # scales of the initial weights of a descent
LEARNING_RATE = 0.03                            # of Adam, in spectrum
HEADINGS = {"points": "critical points", "spearman": "rank correlation", "parameters": "all eigenvalues",
            "negative": "negative eigenvalues"}


# ---- index against loss -----------------------------------------------------------------------------------

def critical_points(dataset, starts, seed):
    """Find distinct critical points of a 25-5-4 softmax net on images of the labels 0 to 3.

    Roots of the gradient are searched from points along gradient descents, and kept if the gradient's length is below
    1e-8. Two roots count as one if loss and spectrum are equal: exchanged or reflected hidden units give the same net.

    Returns
    -------
    shares, losses : float64 (points,)
        Shares of negative eigenvalues, and losses including l2.

    Raises
    ------
    UserError
        If fewer than ten images have these labels.
    """
    chosen = np.flatnonzero(dataset.labels < 4)[:100]
    if len(chosen) < 10:
        raise UserError(f"{len(chosen)} of {len(dataset.labels)} images have labels from 0 to 3: expected at least 10, "
                        "raise IMAGES")
    inputs, labels = datasets.pool(dataset, 5).inputs[chosen], dataset.labels[chosen]
    rng = streams.generator(seed, streams.WEIGHTS)
    points = []
    for _ in progress(range(starts), total=starts, label="critical points"):
        init = f"normal({rng.choice(SCALES)})"
        network = mlp.MLP((inputs.shape[1], 5, 4), "tanh", "cross-entropy", init, rng)
        objective = curvature.Objective(network, inputs, labels, L2)
        point = objective.start
        for index in range(max(SEARCHES) + 1):
            if index in SEARCHES:
                points += critical_point(objective, point)
            point = point - objective.gradient(point)
    distinct = []
    for point in points:
        if not any(np.allclose(point, earlier, rtol=1e-5, atol=1e-7) for earlier in distinct):
            distinct.append(point)
    spectra = np.array([spectrum for _, *spectrum in distinct]).reshape(len(distinct), -1)
    return (spectra < -1e-6).mean(axis=1) if distinct else np.empty(0), np.array([loss for loss, *_ in distinct])


def critical_point(objective, start):
    """Return [(loss, *eigenvalues)] of the root of the gradient that is found from a point, or [] if there is none."""
    try:
        root = scipy.optimize.root(objective.gradient, start, jac=objective.hessian, tol=1e-12).x
        if np.linalg.norm(objective.gradient(root)) < 1e-8:
            return [np.concatenate([[objective.loss(root)], scipy.linalg.eigvalsh(objective.hessian(root))])]
    except curvature.NotFinite:  # the search left for infinity
        pass
    return []


def index_row(shares, losses):
    """Return the row on all critical points; raise UserError if there are fewer than three."""
    if len(losses) < 3:
        raise UserError(f"{len(losses)} distinct critical points were found: expected at least 3, raise STARTS")
    return {"part": "index", "what": "critical points", "points": len(losses),
            "spearman": scipy.stats.spearmanr(shares, losses)[0], "minima": int(np.count_nonzero(shares == 0)),
            "least": losses.min(), "largest": losses.max()}


# ---- the spectrum -----------------------------------------------------------------------------------------

def spectra_of_training(dataset, steps, seed):
    """Return a classifier's loss and the eigenvalues of its Hessian, both without l2, before and after training.

    Returns
    -------
    spectra, losses : dicts of "untrained" and "trained"
        Eigenvalues, float64 (p,), ascending; and losses, float.
    """
    objective = optimizers.classifier(dataset, seed)
    trained = optimizers.first_order(objective, "Adam", LEARNING_RATE, steps, seed).end
    networks = {"untrained": objective.at(objective.start), "trained": objective.at(trained)}
    spectra = {when: scipy.linalg.eigvalsh(curvature.hessian(network, *objective.batch))
               for when, network in networks.items()}
    return spectra, {when: float(curvature.loss(network, *objective.batch)) for when, network in networks.items()}


def spectrum_rows(spectra, losses):
    """Return one row for each spectrum."""
    return [{"part": "spectrum", "what": f"digits, {when}"} | curvature.spectrum_summary(values)
            | {"loss": losses[when]} for when, values in spectra.items()]


# ---- the picture ------------------------------------------------------------------------------------------

def finding_of(rows):
    """Say in one sentence how the number of negative eigenvalues follows the loss, from the rows of the parts that ran.
    """
    by_name = {row["what"]: row for row in rows}
    index, untrained, trained = map(by_name.get, ("critical points", "digits, untrained", "digits, trained"))
    if index is None:
        return f"Training leaves {trained['negative']} of {trained['parameters']} eigenvalues of the Hessian negative"
    if index["spearman"] > 0.5:
        if trained and trained["loss"] < untrained["loss"] and trained["negative"] < untrained["negative"]:
            return "The higher the loss, the more curvatures are negative, at critical points and in training"
        return "The higher the loss of a critical point, the more of its curvatures are negative"
    follow = "do not follow" if index["spearman"] > -0.5 else "fall with"
    return f"The negative curvatures of critical points {follow} the loss"


@plots.styled
def picture(shares, losses, spectra, rows, title, caption):
    """Return the figure, with panels for the parts that ran; rows as `main` returns them."""
    by_name = {row["what"]: row for row in rows}
    mosaic = [[part for part, ran in (("index", len(losses)), (when, spectra)) if ran]
              for when in ("untrained", "trained")]
    drawing, panels = plots.figure(mosaic, 9.4, 4.8, title, caption)
    if "index" in panels:
        axes = panels["index"]
        axes.plot(losses, 100 * shares, "o", color=plots.BLUE, ms=6, mec="white", mew=0.5, alpha=0.8)
        axes.set(title=f"{len(losses)} critical points, rank correlation "
                       f"{by_name['critical points']['spearman']:.2f}", xscale="log",
                 xlabel="loss at the critical point, with l2", ylabel="negative curvatures, percent")
        axes.margins(0.08)
        if (shares == 0).any():
            words = plots.counted(np.count_nonzero(shares == 0), "minimum", "minima")
            axes.annotate(words, (losses[shares == 0].max(), 0), xytext=(9, -1), textcoords="offset points",
                          va="center")
    if spectra:
        for when, words in (("untrained", "classifier before training"), ("trained", "after training")):
            loss = by_name[f"digits, {when}"]["loss"]
            optimizers.draw_spectrum(panels[when], spectra[when], f"{words}: loss {loss:.2g}")
        panels["untrained"].tick_params(labelbottom=False)
        panels["trained"].set_xlabel("percent of the eigenvalues, sorted")
    return drawing


def main(settings):
    checks.nonempty_tuples(parts=settings.parts)
    for part in settings.parts:
        checks.choice("part", part, PARTS)
    checks.positive_integers(images=settings.images, starts=settings.starts, steps=settings.steps)
    seed = settings.seed
    dataset = optimizers.gray_images(settings.dataset, settings.images, seed)
    rows, shares, losses, spectra, arrays = [], np.empty(0), np.empty(0), {}, {}
    caption = f"{dataset.name}, seed {seed}."
    if "index" in settings.parts:
        shares, losses = critical_points(dataset, settings.starts, seed)
        rows.append(index_row(shares, losses))
        arrays |= {"critical_shares": shares, "critical_losses": losses}
        caption += " Critical points: roots of the gradient of a 25-5-4 net on at most 100 images of the labels 0 to 3."
    if "spectrum" in settings.parts:
        spectra, classifier_losses = spectra_of_training(dataset, settings.steps, seed)
        rows += spectrum_rows(spectra, classifier_losses)
        arrays |= {f"spectrum_{when}": values for when, values in spectra.items()}
        caption += f" Classifier: a 49-8-10 net on {len(dataset.labels):,} images, {settings.steps:,} steps of Adam."
    caption += " Curvatures are eigenvalues of the Hessian."
    finding = finding_of(rows)
    return experiment.Result(rows, names=("part", "what"), finding=finding, headings=HEADINGS,
                             columns=("points", "minima", "spearman", "parameters", "negative"),
                             figure=picture(shares, losses, spectra, rows, finding, caption),
                             files={".npz": arrays}, data=[dataset.provenance],
                             suggestion="--images 100 shows the critical points of fewer images")


if __name__ == "__main__":
    experiment.run(main)
