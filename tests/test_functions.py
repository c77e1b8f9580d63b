"""Every public function that takes arrays, given bad ones: an error in one line, or the value that it documents.

CALLS says how to call each function with good arrays, and WITHOUT_ARRAYS names the functions that take none. The public
functions are what the folders export: a new function fails the first test until it is entered.
"""
import numpy as np
import pytest
from matplotlib.figure import Figure
from public_functions import (
    INPUTS,
    LABELS,
    assert_same,
    dataset,
    is_finite,
    perceptron,
    public_functions,
    read_only,
    refused,
    strided,
)

import essay
import mlp
import rbm
import rnn
from gradnets import (
    checkpoints,
    checks,
    curvature,
    cycles,
    dimension,
    dynamics,
    growth,
    motifs,
    networks,
    plots,
    sparse,
    summaries,
    tails,
)
from gradnets.networks import comparison, histograms, kronecker, rank_one_law

# ---- good arrays ------------------------------------------------------------------------------------------

rng = np.random.default_rng(963)
GRADIENT = rng.normal(size=(6, 6))
PROBABILITIES = np.abs(GRADIENT) / np.abs(GRADIENT).max()
FACTOR = rng.random(6)
LINKS = PROBABILITIES > 0.3
NETWORK = networks.merge_layers(LINKS)
UNEQUAL = np.abs(np.subtract.outer(np.arange(6), np.arange(6))) == 1  # a path, whose nodes have one link or two
MEASURED = np.random.default_rng(0).uniform(0.5, 2, (5, 8))
VALUES = rng.pareto(1.5, (8, 10)) + 1
FACTORS = np.linspace(1, 2, 48)[:, None]
SEED = np.array([[0.9, 0.5], [0.5, 0.2]])
WEIGHTS, SMALLER = rng.normal(size=(9, 20)), rng.normal(size=(20, 3))
MASKS = [rng.random(matrix.shape) < 0.7 for matrix in (WEIGHTS, SMALLER)]
SQUARE = GRADIENT @ GRADIENT.T + np.eye(6)
RECURRENT = [rng.normal(size=shape) for shape in ((3, 5), (5, 5), (5, 3))]
COLORS = rng.integers(0, 3, (5, 6))
RECIPE = sparse.Recipe(steps=40, learning_rate=0.1, keep=0.5, burn_in=10, prunings=2, schedule="one-shot")


def machine():
    return rbm.RBM(9, 4, "normal(0.5)")


def recurrent():
    return rnn.RNN(3, 4, 3)


def packed():
    return sparse.pack([WEIGHTS, SMALLER], [None, None], MASKS, dtype=np.float64)


def packed_recurrent():
    return sparse.recurrent.pack(RECURRENT, [np.zeros(5), np.zeros(3)], dtype=np.float64)


def samples():
    return sparse.pack_samples(INPUTS, LABELS, np.float64)


def axes():
    return Figure().add_subplot()


def trained(train, network, *arrays):
    """Return the last step's loss or error, and the weights after training."""
    *_, last = train(network, dataset(*arrays), 4, 0.1)
    return getattr(last, "loss", None), getattr(last, "error", None), network.weights


# ---- how to call each function: {argument: good array or list of arrays} ----------------------------------

def batch(function, *rest):
    """Call a function of a perceptron, inputs, labels and the rest."""
    return (lambda inputs, labels: function(perceptron(), inputs, labels, *rest),
            {"inputs": INPUTS, "labels": LABELS})


def step(function, *rest):
    return lambda gradient, hessian: function(gradient, hessian, *rest), {"gradient": FACTOR, "hessian": SQUARE}


def toy(function, network):
    """Call a function of a new network and of a data set with these inputs and labels."""
    return (lambda inputs, labels: function(network(), dataset(inputs, labels)), {"inputs": INPUTS, "labels": LABELS})


def curve(module, network, **options):
    return toy(lambda network, training: module.learning_curve(network, training, dataset(), 4, 2, learning_rate=0.1,
                                                               **options), network)


PARAMETERS = np.arange(55.0)  # of `perceptron`
CALLS = {
    "dynamics.attractors.correlation_dimension": (lambda points: dynamics.attractors.correlation_dimension(points, 1),
                                         {"points": WEIGHTS}),
    "dynamics.attractors.correlation_sums": (lambda points: dynamics.attractors.correlation_sums(points, 1),
                                             {"points": WEIGHTS}),
    "dynamics.attractors.descend": (
        lambda point, inputs, targets: dynamics.attractors.descend(point, inputs, targets, np.zeros((2, 0), int), 0.1),
        {"point": PARAMETERS, "inputs": INPUTS, "targets": np.eye(3)[LABELS]}),
    "dynamics.attractors.drift": (dynamics.attractors.drift, {"points": WEIGHTS}),
    "dynamics.attractors.entropy": (dynamics.attractors.entropy, {"exponents": FACTOR}),
    "dynamics.attractors.kaplan_yorke": (dynamics.attractors.kaplan_yorke, {"exponents": FACTOR - 0.5}),
    "dynamics.attractors.on_circles": (dynamics.attractors.on_circles, {"angles": WEIGHTS}),
    "dynamics.attractors.phase_surrogate": (dynamics.attractors.phase_surrogate, {"points": WEIGHTS}),
    "dynamics.attractors.walk_surrogate": (dynamics.attractors.walk_surrogate, {"points": WEIGHTS}),

    "checkpoints.diagnosis.describe": (lambda values: checkpoints.diagnosis.describe("x", values, 2),
                                       {"values": VALUES}),
    "checkpoints.diagnosis.table": (lambda values: checkpoints.diagnosis.table([("x", values)], 2),
                                    {"values": VALUES}),
    "checkpoints.distribution.survival": (lambda x: checkpoints.distribution.survival("normal", x), {"x": FACTOR}),

    "checks.as_floats": (checks.as_floats, {"values": GRADIENT}),
    "checks.bool_matrix": (lambda values: checks.bool_matrix("values", values), {"values": LINKS}),
    "checks.integer_array": (lambda values: checks.integer_array("values", values), {"values": COLORS}),
    "checks.labelled_data": (lambda inputs, labels: checks.labelled_data(dataset(inputs, labels)),
                             {"inputs": INPUTS, "labels": LABELS}),
    "checks.real_array": (lambda values: checks.real_array("values", values, 2), {"values": GRADIENT}),

    "curvature.at": (lambda vector: curvature.parameters(curvature.at(perceptron(), vector)), {"vector": PARAMETERS}),
    "curvature.block_step": batch(curvature.block_step, 10.0),
    "curvature.blocks": batch(curvature.blocks),
    "curvature.chebyshev_step": step(curvature.chebyshev_step, lambda p: p / 2),
    "curvature.damped_step": step(curvature.damped_step, 1.0),
    "curvature.difference_of_inverse": (lambda gradient: curvature.difference_of_inverse(lambda g: g / 2, gradient),
                                        {"gradient": FACTOR}),
    "curvature.functional_inverse_step": (
        lambda inputs, labels: curvature.functional_inverse_step(perceptron((9, 3), "leaky"), inputs, labels),
        {"inputs": INPUTS[:3], "labels": LABELS[:3]}),
    "curvature.gradient": batch(curvature.gradient),
    "curvature.hessian": batch(curvature.hessian),
    "curvature.hessian_vector": (
        lambda inputs, labels, vector: curvature.hessian_vector(perceptron(), inputs, labels, vector),
        {"inputs": INPUTS, "labels": LABELS, "vector": PARAMETERS}),
    "curvature.lanczos": (lambda start: curvature.lanczos(lambda v: 2 * v, start, 3), {"start": FACTOR}),
    "curvature.loss": batch(curvature.loss),
    "curvature.net_laplacian": (curvature.net_laplacian, {"vector": np.arange(9.0), "points": INPUTS[:, :2]}),
    "curvature.net_values": (curvature.net_values, {"vector": np.arange(9.0), "points": INPUTS[:, :2]}),
    "curvature.newton_series": step(curvature.newton_series, lambda terms: terms[-1] / 2, 3),
    "curvature.newton_step": step(curvature.newton_step),
    "curvature.products": (
        lambda inputs, labels, vector: curvature.products(perceptron(), inputs, labels)(vector),
        {"inputs": INPUTS, "labels": LABELS, "vector": PARAMETERS}),
    "curvature.saddle_free_step": step(curvature.saddle_free_step, 0.5),
    "curvature.shifted_step": step(curvature.shifted_step, 0.5),
    "curvature.spectrum_summary": (curvature.spectrum_summary, {"eigenvalues": np.arange(-2.0, 5)}),
    "curvature.split": (lambda vectors: curvature.split(perceptron(), vectors), {"vectors": PARAMETERS}),
    "curvature.third": (lambda inputs, labels, direction: curvature.third(perceptron(), inputs, labels, direction),
                        {"inputs": INPUTS, "labels": LABELS, "direction": PARAMETERS}),

    "dynamics.criticality.driven_exponents": (lambda recurrent_weights, states: dynamics.criticality.driven_exponents(
        recurrent_weights, states, 1), {"recurrent_weights": SQUARE, "states": np.tanh(rng.normal(size=(4, 3, 6)))}),
    "dynamics.criticality.first_crossing": (dynamics.criticality.first_crossing,
                                   {"gains": np.arange(1.0, 5), "values": np.arange(-2.0, 2)}),
    "dynamics.criticality.free_exponent": (lambda recurrent_weights, bias: dynamics.criticality.free_exponent(
        recurrent_weights, bias, 10, 5), {"recurrent_weights": SQUARE, "bias": FACTOR}),

    "cycles.ratios": (cycles.ratios, {"rates": np.array([1.0, 2.0, 2.5, 2.7])}),

    "dimension.cosines": (dimension.cosines, {"gram": SQUARE}),
    "dimension.effective_dimension": (dimension.effective_dimension, {"gram": SQUARE}),
    "dimension.energy_shares": (dimension.energy_shares, {"matrix": GRADIENT}),
    "dimension.gram": (dimension.gram, {"inputs": WEIGHTS, "deltas": GRADIENT[[0, 1, 2, 3, 4, 5, 0, 1, 2]]}),
    "dimension.gram_of_arrays": (dimension.gram_of_arrays, {"arrays": [GRADIENT, SQUARE]}),
    "dimension.leading_directions": (lambda vectors: dimension.leading_directions(vectors, 2), {"vectors": GRADIENT}),
    "dimension.ranks": (dimension.ranks, {"shares": np.array([0.5, 0.3, 0.2])}),
    "dimension.share_inside": (dimension.share_inside, {"vectors": GRADIENT, "directions": np.eye(6)[:2]}),
    "dimension.with_controls": (
        lambda inputs, deltas: dimension.with_controls({"": (inputs, deltas)}, np.random.default_rng(0)),
        {"inputs": np.tile(INPUTS, (4, 1)), "deltas": np.tile(INPUTS[::-1, :5], (4, 1)) - 0.5}),

    "dynamics.full_batch": batch(dynamics.full_batch, 0.01, 6, 4, 2, 2, 0),
    "dynamics.lyapunov": (lambda start: dynamics.lyapunov(lambda x: x / 2, lambda x, frame: frame / 2, start, 3, 1),
                          {"start": FACTOR}),
    "dynamics.sharpness": (lambda point, inputs, labels: dynamics.sharpness(perceptron(), point, inputs, labels),
                           {"point": PARAMETERS / 55, "inputs": INPUTS, "labels": LABELS}),
    "dynamics.single_sample": batch(dynamics.single_sample, 0.01, 6, 4, 2, 0),
    "dynamics.whole_spectrum": batch(dynamics.whole_spectrum, 0.01, 2, 1, 0),

    "essay.gradient": (lambda inputs, labels: essay.gradient(dataset(inputs, labels), 4, 3, 0.1, 1, 0),
                       {"inputs": INPUTS, "labels": LABELS}),
    "essay.sampling_probabilities": (lambda gradient: essay.sampling_probabilities(gradient, 5),
                                     {"gradient": GRADIENT}),

    "growth.curve": (growth.curve, {"sizes": PROBABILITIES, "values": GRADIENT}),
    "growth.exponent": (growth.exponent, {"sizes": PROBABILITIES, "changes": PROBABILITIES.T.copy()}),
    "growth.intervention_exponent": (
        lambda changes, changes_after, enlarged: growth.intervention_exponent(changes, changes_after, enlarged, 4.0),
        {"changes": PROBABILITIES, "changes_after": PROBABILITIES.T.copy(), "enlarged": LINKS}),
    "growth.same_effects": (growth.same_effects, {"sizes": PROBABILITIES}),
    "growth.split_effects": (growth.split_effects, {"sizes": PROBABILITIES}),

    "mlp.accuracy": toy(mlp.accuracy, perceptron),
    "mlp.learning_curve": curve(mlp, perceptron),
    "mlp.train": (lambda inputs, labels: trained(mlp.train, perceptron(), inputs, labels),
                  {"inputs": INPUTS, "labels": LABELS}),

    "motifs.canonical": (lambda matrices: motifs.canonical(matrices, 2), {"matrices": rng.integers(0, 3, (4, 3, 3))}),
    "motifs.decode": (lambda codes: motifs.decode(codes, 3, 2), {"codes": np.arange(9)}),
    "motifs.from_adjacency": (motifs.from_adjacency, {"matrix": rng.integers(0, 3, (5, 5))}),
    "motifs.from_layers": (motifs.from_layers, {"matrices": [COLORS]}),
    "motifs.graph": (lambda sources, targets, colors: motifs.graph(4, sources, targets, colors),
                     {"sources": LABELS, "targets": LABELS[::-1] + 1, "colors": LABELS + 1}),
    "motifs.layered_census": (motifs.layered_census, {"matrices": [COLORS]}),
    "motifs.parts_of": (lambda adjacency: motifs.parts_of(adjacency, 2), {"adjacency": rng.integers(0, 3, (4, 5, 5))}),
    "motifs.weight_colors": (lambda weights: motifs.weight_colors(weights, np.array([-1, -0.5, 0.5, 1])),
                             {"weights": GRADIENT}),
    "motifs.weight_cuts": (motifs.weight_cuts, {"weights": GRADIENT}),

    "networks.assortativity": (networks.assortativity, {"adjacency": NETWORK}),
    "networks.average_clustering": (networks.average_clustering, {"adjacency": NETWORK}),
    "networks.communities": (lambda adjacency: networks.communities(adjacency, 0), {"adjacency": NETWORK}),
    "networks.comparison.draw": (lambda probabilities: comparison.draw(probabilities, "merged", 2, 0),
                                 {"probabilities": PROBABILITIES}),
    "networks.comparison.multiplicity": (comparison.multiplicity, {"degrees": LABELS}),
    "networks.comparison.threshold_probabilities": (comparison.threshold_probabilities,
                                                    {"probabilities": PROBABILITIES}),
    "networks.core": (networks.core, {"adjacency": NETWORK}),
    "networks.degree_information": (networks.degree_information, {"adjacency": NETWORK}),
    "networks.directed_configuration": (lambda adjacency: networks.directed_configuration(adjacency, 0),
                                        {"adjacency": LINKS}),
    "networks.erdos_renyi": (lambda adjacency: networks.erdos_renyi(adjacency, 0), {"adjacency": NETWORK}),
    "networks.expected_clustering": (networks.expected_clustering, {"row": FACTOR, "column": FACTOR[::-1].copy()}),
    "networks.expected_degrees": (networks.expected_degrees, {"row": FACTOR, "column": FACTOR[::-1].copy()}),
    "networks.histograms.ks_distance": (
        lambda values, weights: histograms.ks_distance(values, weights, FACTOR[:4], FACTOR[:4], True),
        {"values": FACTOR, "weights": FACTOR}),
    "networks.histograms.ks_distance_from_normal": (histograms.ks_distance_from_normal,
                                                    {"values": FACTOR, "weights": FACTOR}),
    "networks.histograms.standardize": (histograms.standardize, {"values": FACTOR, "weights": FACTOR}),
    "networks.kronecker.energy_share": (lambda seed: kronecker.energy_share(seed, 3), {"seed": SEED}),
    "networks.kronecker.expected_counts": (lambda seed: kronecker.expected_counts(seed, 3), {"seed": SEED}),
    "networks.kronecker.fit_seed": (kronecker.fit_seed, {"adjacency": NETWORK}),
    "networks.kronecker.levels": (lambda seed: kronecker.levels(seed, 3), {"seed": SEED}),
    "networks.kronecker.moments": (lambda seed: kronecker.moments(seed, 3), {"seed": SEED}),
    "networks.kronecker.observed_counts": (kronecker.observed_counts, {"adjacency": NETWORK}),
    "networks.kronecker.power": (lambda seed: kronecker.power(seed, 2), {"seed": SEED}),
    "networks.measure": (networks.measure, {"adjacency": NETWORK}),
    "networks.measure_bipartite": (networks.measure_bipartite, {"adjacency": LINKS}),
    "networks.merge_layers": (networks.merge_layers, {"adjacency": LINKS}),
    "networks.modularity": (networks.modularity, {"adjacency": NETWORK, "communities": np.arange(6) % 2}),
    "networks.pack": (networks.pack, {"adjacency": NETWORK}),
    "networks.pack_merged": (networks.pack_merged, {"adjacency": LINKS}),
    "networks.probabilities": (networks.probabilities, {"matrix": GRADIENT}),
    "networks.rank_one_law.deviation": (lambda inputs: rank_one_law.deviation(inputs, 0.25), {"inputs": FACTOR}),
    "networks.rank_one_law.draw_deltas": (
        lambda output_deltas: rank_one_law.draw_deltas(output_deltas, 0.25, 1.0, 20, 0), {"output_deltas": FACTOR}),
    "networks.rank_one_law.predict": (rank_one_law.predict, {"row": FACTOR, "magnitudes": VALUES[0]}),
    "networks.profile": (lambda adjacency: networks.profile(adjacency, 0), {"adjacency": UNEQUAL}),
    "networks.profile_distances": (networks.profile_distances, {"values": MEASURED[:2], "reference": MEASURED}),
    "networks.rank_one": (networks.rank_one, {"probabilities": np.outer(FACTOR, FACTOR)}),
    "networks.reciprocity": (networks.reciprocity, {"links": LINKS}),
    "networks.rich_club": (networks.rich_club, {"adjacency": NETWORK}),
    "networks.sample": (lambda probabilities: networks.sample(probabilities, 0), {"probabilities": PROBABILITIES}),
    "networks.shuffled_entries": (lambda adjacency: networks.shuffled_entries(adjacency, 0), {"adjacency": LINKS}),
    "networks.spectral_gap": (networks.spectral_gap, {"adjacency": NETWORK}),
    "networks.summarize_distances": (networks.summarize_distances, {"counts": np.array([6, 12, 10])}),
    "networks.threshold": (lambda matrix: networks.threshold(matrix, edges=5), {"matrix": GRADIENT}),
    "networks.to_networkx": (networks.to_networkx, {"adjacency": LINKS}),
    "networks.undirected_configuration": (lambda adjacency: networks.undirected_configuration(adjacency, 0),
                                          {"adjacency": NETWORK}),

    "plots.draw_ccdf": (lambda sample: plots.draw_ccdf(axes(), [sample], "k", ""), {"sample": FACTOR}),
    "plots.tail_curve": (plots.tail_curve, {"magnitudes": FACTOR}),
    "plots.draw_matrix": (lambda matrix: plots.draw_matrix(axes(), matrix), {"matrix": PROBABILITIES}),

    "rbm.compare": (lambda training, test: rbm.compare(machine(), training, test),
                    {"training": INPUTS, "test": INPUTS[:4]}),
    "rbm.learning_curve": (lambda inputs: curve(rbm, machine)[0](inputs, LABELS), {"inputs": INPUTS}),
    "rbm.reconstruct": (lambda inputs: rbm.reconstruct(machine(), inputs), {"inputs": INPUTS}),
    "rbm.tile": (lambda pictures: rbm.tile(pictures, 2, 1.0), {"pictures": [GRADIENT, GRADIENT, GRADIENT]}),
    "rbm.train": (lambda inputs: trained(rbm.train, machine(), inputs), {"inputs": INPUTS}),

    "rnn.accuracy": toy(rnn.accuracy, recurrent),
    "rnn.fading": toy(rnn.fading, recurrent),
    "rnn.learning_curve": curve(rnn, recurrent, clip=1.0),
    "rnn.sequences": (lambda inputs: rnn.sequences(inputs, 3), {"inputs": INPUTS}),
    "rnn.train": (lambda inputs, labels: trained(rnn.train, recurrent(), inputs, labels),
                  {"inputs": INPUTS, "labels": LABELS}),

    "sparse.check_order": (lambda order: sparse.check_order(samples(), 3, order, 0.1, 0.1), {"order": np.arange(12)}),
    "sparse.cost": (lambda mask: sparse.cost(mask, "blocks"), {"mask": MASKS[0]}),
    "sparse.gradients": (lambda weights: sparse.gradients(weights, [None, None], samples()),
                         {"weights": [WEIGHTS, SMALLER]}),
    "sparse.pack": (lambda weights, masks, biases: sparse.pack(weights, biases, masks),
                    {"weights": [WEIGHTS, SMALLER], "masks": MASKS, "biases": [SMALLER[:, 0], SMALLER[0]]}),
    "sparse.pack_samples": (sparse.pack_samples, {"inputs": INPUTS, "labels": LABELS}),
    "sparse.prune": (lambda weights, initial, masks: sparse.prune(weights, 0.3, "moved", initial=initial, masks=masks),
                     {"weights": [WEIGHTS, SMALLER], "initial": [WEIGHTS / 2, SMALLER * 2], "masks": MASKS}),
    "sparse.recurrent.pack": (
        lambda weights, masks, bias: sparse.recurrent.pack(weights, [bias, np.zeros(3)], masks),
        {"weights": RECURRENT, "masks": [matrix > 0 for matrix in RECURRENT], "bias": FACTOR[:5]}),
    "sparse.recurrent.run": (
        lambda weights: sparse.recurrent.run(RECIPE, weights, [np.zeros(5), np.zeros(3)], samples()).weights,
        {"weights": RECURRENT}),
    "sparse.recurrent.train_epoch": (
        lambda order: sparse.recurrent.train_epoch(packed_recurrent(), samples(), order, 0.1),
        {"order": np.arange(12)}),
    "sparse.regrow": (lambda weights, masks, slopes: sparse.regrow(weights, masks, 0.3, slopes, None),
                      {"weights": [WEIGHTS, SMALLER], "masks": MASKS, "slopes": [WEIGHTS / 2, SMALLER * 2]}),
    "sparse.run": (lambda weights: sparse.run(RECIPE, weights, [None, None], samples()).weights,
                   {"weights": [WEIGHTS, SMALLER]}),
    "sparse.train_epoch": (lambda order: sparse.train_epoch(packed(), samples(), order, 0.1), {"order": np.arange(12)}),

    "summaries.moments": (summaries.moments, {"values": LABELS}),
    "summaries.shapley_values": (
        lambda first, second: summaries.shapley_values(lambda first, second: float(first.max() / 2 + second.max() / 2),
                                                       {"first": first, "second": second}),
        {"first": FACTOR, "second": VALUES}),

    "tails.bootstrap_p": (lambda values: tails.bootstrap_p(values, 3), {"values": VALUES}),
    "tails.compare": (lambda values: tails.compare(values, 1.0), {"values": VALUES}),
    "tails.curves": (tails.curves, {"values": VALUES}),
    "tails.describe": (lambda values: tails.describe(values, 3), {"values": VALUES}),
    "tails.describe_extremes": (lambda values: tails.describe_extremes(values, 3), {"values": VALUES}),
    "tails.fit": (tails.fit, {"values": VALUES}),
    "tails.stability": (tails.stability, {"values": VALUES}),
    "tails.survival": (lambda x: tails.survival("lognormal", {"mu": 0.0, "sigma": 1.0}, x), {"x": VALUES}),
    "tails.tail_indices": (lambda values: tails.tail_indices(values, 3), {"values": np.tile(VALUES, (6, 1)) * FACTORS}),
}
WITHOUT_ARRAYS = {  # public functions by what they take instead
    "a random generator": "draws.first_state",
    "nothing": "dynamics.attractors.henon dynamics.attractors.logistic dynamics.attractors.torus caches.prepare "
               "caches.version_of_kernels "
               "experiment.processor files.try_writing files.umask threads.single_blas_thread",
    "names, numbers, texts and paths": """
        checkpoints.check_flags checkpoints.layer_and_step checkpoints.layer_pattern checkpoints.listing
        checkpoints.matrices checkpoints.provenance checkpoints.ranks.table checkpoints.ranks_figure.finding
        checkpoints.ranks_figure.picture dimension.random_directions
        dimension.random_energy_shares
        dimension.random_participation_ratio checkpoints.table_of_contents checks.choice
        checks.distinct checks.is_integer checks.nonempty_tuples
        checks.positive_integers checks.seed checks.training_schedule datasets.available datasets.load
        datasets.load_network datasets.network_available datasets.network_of_repository datasets.read_network
        cycles.superstable_rates dynamics.double_well essay.named_init experiment.constants experiment.result_of
        experiment.settings
        files.atomic files.atomic_group files.make_writable_folder files.naming motifs.adjacency_of motifs.check_size
        motifs.edge_styles motifs.fanmod.read_graph motifs.fanmod.read_table motifs.most_colors plots.counted
        plots.drawable plots.figure plots.name_steps plots.plain_ticks plots.shades plots.text_color sparse.by_output
        sparse.schedule streams.generator streams.initial_bias streams.initial_weights streams.name_and_number
        streams.plain_generator networks.rank_one_law.draw_output_deltas""",
    "functions": "experiment.ensemble.run experiment.run learning.classifier_curve learning.curve pickles.expect "
                 "pickles.read plots.styled progress.progress sparse.train_at_best_rate timing.medians",
    "frozen settings": "mlp.main rbm.main rnn.main",
    "an exception": "errors.one_line",
    "single numbers, infinite too, and samples of such": """
        dynamics.double_well_mean dynamics.quadratic networks.comparison.ratio summaries.median_intervals
        summaries.quantiles""",
    "rows, or what another function returns": """
        checkpoints.diagnosis.badness checkpoints.diagnosis.heavy_limits dynamics.mostly_positive
        dynamics.positive_and_saturated dynamics.separation_numbers essay.first_layer_gradient
        networks.comparison.summary networks.comparison.verdict networks.mean_profile networks.small_world
        plots.draw_band plots.draw_intervals plots.draw_source plots.draw_tails plots.draw_training plots.label_line
        plots.label_lines plots.label_points plots.learning_curve rbm.described rbm.picture rnn.described rnn.picture
        tails.best tails.classify tails.over_runs tails.verdict""",
    "finite entries, sorted if order counts, as checkpoints.diagnosis makes them": """
        checkpoints.distribution.ccdf checkpoints.distribution.fingerprint checkpoints.distribution.moments
        checkpoints.distribution.nearest_law checkpoints.distribution.sums sorting.sorted_floats""",
    "a map and its cycles": """
        cycles.cascade cycles.chain cycles.find cycles.follow cycles.settle cycles.split""",
    "a Dataset": "datasets.hold_out datasets.pool dynamics.separation essay.network essay.train",
    "a net, and samples that the functions around it check": """
        curvature.parameters dynamics.active_part dynamics.descent rbm.filters""",
    "a Packed, as networks.pack makes it": "networks.distances networks.triangles networks.unpack",
    "a Graph, a Census or a matrix of one": """
        motifs.census motifs.changes motifs.compare_with_parts motifs.draw_column motifs.draw_motif
        motifs.fanmod.format_graph
        motifs.fanmod.format_table motifs.fanmod.node_count motifs.fanmod.topology_id motifs.is_raised
        motifs.layer_of motifs.layers motifs.predict_from_parts motifs.rewire motifs.sampled_census
        motifs.significance motifs.subgraphs_at_most motifs.text_of motifs.uncolored""",
    "a Net and Samples, as sparse makes them": """
        sparse.accuracy sparse.recurrent.accuracy sparse.recurrent.unpack sparse.unpack""",
    "networks, degrees and matrices to draw, as other functions return them": """
        networks.drawing.chosen_nodes networks.drawing.draw_color_key networks.drawing.draw_hubs
        networks.drawing.draw_network networks.drawing.draw_outer_product networks.drawing.join_layers
        networks.drawing.local_clustering networks.drawing.places""",
    "a FusedObjective, which checks its arrays, and what it computes": """
        curvature.adam_descent curvature.bfgs_descent curvature.gauss_newton_descent curvature.gauss_newton_product
        curvature.geodesic_step curvature.kfac_descent curvature.kronecker_factors
        curvature.levenberg_marquardt_descent curvature.muon_descent curvature.orthogonalized curvature.sample_kernel
        curvature.second_tangent curvature.tangent""",
    "arrays of which only the sizes count": "sparse.keep_for sparse.parameters",
}


# ---- bad arrays -------------------------------------------------------------------------------------------

def with_number(number):
    def spoil(good):
        bad = good.astype(float)
        bad.flat[bad.size // 2] = number
        return bad
    return spoil


REFUSED = {  # what no function accepts, except those of ACCEPTED
    "NaN": with_number(np.nan),
    "infinity": with_number(np.inf),
    "-infinity": with_number(-np.inf),
    "objects": lambda good: good.astype(object),
    "complex numbers": lambda good: good + 1j,
    "strings": lambda good: good.astype(str),
    "dates": lambda good: good.astype(int).astype("M8[s]"),
    "empty": lambda good: good[:0],
    "no axis": lambda good: good.ravel()[0].reshape(()),
    "another axis": lambda good: good[..., None],
}
EXTREME = {  # what is refused, or has a value of finite numbers
    "zero": np.zeros_like,
    "constant": lambda good: np.full_like(good, good.ravel()[-1]),
    "one element": lambda good: good.ravel()[:1].reshape((1,) * good.ndim),
    "one axis": np.ravel,
    "subnormal": lambda good: good * 1e-310,
    "huge": lambda good: good.astype(float).clip(-1, 1) * 1e308,
    "huge integers": lambda good: np.full(good.shape, 2**62),
    "negative": lambda good: -1 - np.abs(good.astype(float)),
    "negative integers": lambda good: np.full(good.shape, -1),
    "bool": lambda good: good.astype(bool),
    "int8": lambda good: good.astype(np.int8),
    "uint8": lambda good: np.abs(good * 1.0).astype(np.uint8),
    "float16": lambda good: good.astype(np.float16),
}
EQUAL = {  # the same numbers, which have the same value
    "Fortran order": np.asfortranarray,
    "strided": strided,
    "reversed": lambda good: np.flip(np.flip(good).copy()),
    "read-only": read_only,
    "big-endian": lambda good: good.astype(good.dtype.newbyteorder(">")),
}
KINDS = REFUSED | EXTREME | EQUAL

NOT_FINITE = {"NaN", "infinity", "-infinity"}
ACCEPTED = {  # kinds of REFUSED that a function accepts, as its docstring says
    "checkpoints.distribution.survival": {"no axis", "another axis"},
    "checks.as_floats": NOT_FINITE | {"empty", "no axis", "another axis"},
    "checks.integer_array": {"empty", "no axis", "another axis"},
    "curvature.at": NOT_FINITE | {"complex numbers"},
    "curvature.difference_of_inverse": {"no axis", "another axis"},
    "curvature.hessian_vector": {"complex numbers"},
    "curvature.products": {"complex numbers"},
    "curvature.split": NOT_FINITE | {"complex numbers"},
    "motifs.canonical": {"empty"},
    "motifs.decode": {"empty"},
    "motifs.from_layers": {"empty"},
    "motifs.graph": {"another axis"},
    "motifs.layered_census": {"empty"},
    "motifs.parts_of": {"empty"},
    "motifs.weight_colors": {"no axis", "another axis"},
    "motifs.weight_cuts": {"no axis", "another axis"},
    "networks.comparison.multiplicity": {"empty", "no axis", "another axis"},
    "networks.profile_distances": {"infinity", "-infinity"},  # of ratios
    "plots.tail_curve": {"no axis", "another axis"},
    "rbm.tile": NOT_FINITE,
    "rnn.sequences": NOT_FINITE | {"empty"},
    "sparse.check_order": {"empty"},
    "sparse.recurrent.train_epoch": {"empty"},
    "sparse.train_epoch": {"empty"},
    "summaries.moments": {"no axis", "another axis"},
    "summaries.shapley_values": {"no axis", "another axis"},
    "tails.bootstrap_p": {"another axis"},
    "tails.compare": {"another axis"},
    "tails.curves": {"another axis"},
    "tails.describe": set(REFUSED),  # its row says why there is no tail
    "tails.describe_extremes": set(REFUSED),  # its row says that there is no estimate
    "tails.fit": {"another axis"},
    "tails.stability": {"another axis"},
    "tails.survival": {"no axis", "another axis"},
    "tails.tail_indices": {"another axis"},
}
MAY_NOT_BE_FINITE = {  # functions whose value may hold NaN or infinity, as the docstring says, or holds what was given
    "checks.as_floats", "curvature.at", "curvature.split", "networks.comparison.draw", "networks.kronecker.moments",
    "dynamics.criticality.driven_exponents", "dynamics.criticality.free_exponent", "networks.assortativity",
    "networks.measure", "networks.measure_bipartite", "networks.reciprocity", "rbm.tile",
    "rnn.sequences", "summaries.moments", "tails.curves"}
CHANGED_IN_PLACE = {"sparse.regrow": {"weights"}}


def spoilt(kind, good):
    """Return a bad array, or a list whose first array is bad."""
    if isinstance(good, list):
        return [KINDS[kind](good[0]), *(array.copy() for array in good[1:])]
    return KINDS[kind](good)


def copied(arrays):
    return {name: [array.copy() for array in good] if isinstance(good, list) else good.copy()
            for name, good in arrays.items()}


# ---- the tests --------------------------------------------------------------------------------------------

def test_every_public_function_is_entered():
    public = public_functions()
    assert public.keys() >= {"networks.sample", "networks.kronecker.power", "sparse.train_epoch", "rnn.train"}
    without = [name for names in WITHOUT_ARRAYS.values() for name in names.split()]
    assert public.keys() - {*CALLS, *without} == set()
    assert {*CALLS, *without} - public.keys() == set()
    assert len(without) + len(CALLS) == len(public)  # none is entered twice


@pytest.mark.parametrize("name", CALLS)
def test_bad_arrays_are_refused_in_one_line_or_have_a_documented_value(name, many, tried):
    call, good = CALLS[name]
    cases = [(argument, kind) for argument in good for kind in KINDS]
    every = many(8, 1)  # a sample is each eighth, from another place on in each function
    cases = cases[list(CALLS).index(name) % every::every]
    expected = call(**copied(good))
    assert name in MAY_NOT_BE_FINITE or is_finite(expected)
    for argument, kind in cases:
        with np.errstate(all="ignore"):
            bad = spoilt(kind, good[argument])
        error, value = refused(call, copied(good) | {argument: bad})
        in_place = argument in CHANGED_IN_PLACE.get(name, ())
        if kind in EQUAL and not (kind == "read-only" and in_place):
            assert error is None, (argument, kind)
            assert_same(value, expected)
            if not in_place:
                assert_same(bad, good[argument])
        elif kind in REFUSED and kind not in ACCEPTED.get(name, ()):
            assert error is not None, (argument, kind)
        elif error is None:
            assert name in MAY_NOT_BE_FINITE or is_finite(value), (argument, kind)
    tried("8 bad arrays to public functions", len(cases))
