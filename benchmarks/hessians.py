"""How fast are whole Hessians and their products?

Peers: torch.func.hessian; a loop of R-operators, one product for each parameter, by our own passes; one matrix product
for each pair of layers in plain numpy, which multiplies all pairs of inputs and units; curvlinops for products of the
Hessian and vectors. Each result is compared with its peer's before it is timed: a difference above the stated one, over
the peer's largest entry, ends the run.

The flop bound is the time of the least multiplications, with each pair of inputs and each pair of units once, at the
speed of a matrix product of 1,000 x 1,000 in the same rounds.

Takes one minute.
"""
import harness  # first: it pins the threads  # isort: skip

from math import comb

import numpy as np

import mlp
from gradnets import curvature, datasets
from gradnets.curvature.passes import BatchPass
from second_order import check

ROUNDS = 11
SIZES = (49, 20, 10)   # 1,210 parameters
VECTORS = 32           # vectors that are multiplied at once
LIMIT = "the least products of float64"
SIDES = {"whole": "both: the whole Hessian of the same batch, float64",
         "products": "both: the Hessian times the same vectors, float64; curvlinops by PyTorch's differentiation"}


def torch_hessian(torch, network, inputs, labels):
    """Return a function that makes the same Hessian by torch.func.hessian, float64 (p, p)."""
    features, hidden, classes = network.sizes
    inputs, labels, cut = torch.tensor(inputs), torch.tensor(labels), (features + 1) * hidden

    def loss(vector):
        first, second = vector[:cut].view(features + 1, hidden), vector[cut:].view(hidden + 1, classes)
        values = torch.tanh(torch.addmm(first[-1], inputs, first[:-1]))
        return torch.nn.functional.cross_entropy(torch.addmm(second[-1], values, second[:-1]), labels)

    hessian, vector = torch.func.hessian(loss), torch.tensor(curvature.parameters(network))
    return lambda: hessian(vector).numpy()


def unpaired_hessian(network, inputs, labels):
    """Return the Hessian of a net with one hidden layer: one matrix product for each pair of layers, float64 (p, p)."""
    batch = BatchPass(network, inputs, labels)
    curvatures, (slope,), (_, delta) = batch.layer_curvatures(), batch.slopes, batch.deltas

    def part(lower, upper, curvature, jacobian=None):
        factor = curvature[:, :, None, :] * batch.inputs[upper][:, None, :, None]
        if jacobian is not None:
            factor[:, :, :-1] += jacobian[:, :, :, None] * delta[:, None, None, :]
        total = batch.inputs[lower].T @ factor.reshape(batch.size, -1) / batch.size
        return total.reshape(-1, factor.shape[2] * factor.shape[3])

    jacobian = slope[:, :, None] * np.eye(slope.shape[1])
    between = part(0, 1, jacobian @ batch.weights[1] @ curvatures[1], jacobian)
    return np.block([[part(0, 0, curvatures[0]), between], [between.T, part(1, 1, curvatures[1])]])


def least_flops(count):
    """Return the additions and multiplications of a Hessian at SIZES whose equal entries are computed once."""
    features, hidden, classes = SIZES
    within = comb(features + 2, 2) * comb(hidden + 1, 2) + comb(hidden + 2, 2) * comb(classes + 1, 2)
    return 2 * count * (within + (features + 1) * hidden * classes * (hidden + 2))


def whole_hessians(digits, missing):
    """Return the rows of a whole Hessian against its peers and the flop bound; `missing` gets absent peers."""
    net, images = mlp.MLP(SIZES, "tanh", "cross-entropy", "glorot", 0), datasets.pool(digits, 7).inputs
    size = curvature.parameters(net).size
    left, right = np.random.default_rng(0).random((2, 1000, 1000))
    torch = harness.peer("torch", missing)
    if torch:
        torch.set_num_threads(1)
    rows = []
    for count in (200, 500):
        batch = net, images[:count], digits.labels[:count]

        def loop():
            product = curvature.products(*batch)  # noqa: B023
            return np.array([product(unit) for unit in np.eye(size)])

        peers = {"one product per pair of layers": (lambda: unpaired_hessian(*batch), 3.5),  # noqa: B023
                 "a loop of R-operators": (loop, 3)}
        if torch:
            peers["torch.func.hessian"] = torch_hessian(torch, *batch), 25
        hessian = curvature.hessian(*batch)
        differences = {peer: check(f"structured Hessian against {peer}", hessian, function(), 1e-13)
                       for peer, (function, _) in peers.items()}
        contestants = {"ours": (lambda: curvature.hessian(*batch), 3)}  # noqa: B023
        contestants |= {"product": (lambda: left @ right, 1)}
        contestants |= {peer: (function, 1) for peer, (function, _) in peers.items()}
        seconds = harness.medians(contestants, ROUNDS)
        name = f"structured Hessian, 49-20-10 tanh softmax, {size:,} parameters, batch of {count},"
        bound = least_flops(count) * seconds["product"] / 2e9
        rows += [harness.ratio(f"{name} against {peer}", seconds, "ours", peer, goal, SIDES["whole"], (LIMIT, bound))
                 | {"difference": differences[peer]} for peer, (_, goal) in peers.items()]
        rows.append({"what": f"{name} share of the flop bound, %", "value": 100 * bound / seconds["ours"], "goal": 50,
                     "higher_is_better": True, "ours_ms": 1e3 * seconds["ours"], "peer_ms": 1e3 * bound})
    return rows


def torch_order(network, vectors):
    """Return parameter vectors (k, p) in PyTorch's order: each layer's weights by output units, then its bias."""
    parts = [part for layer in curvature.split(network, vectors)
             for part in (layer[:, :-1].swapaxes(1, 2), layer[:, -1])]
    return np.concatenate([part.reshape(len(vectors), -1) for part in parts], axis=1)


def products(digits, missing):
    """Return the rows of products of Hessian and vectors against curvlinops."""
    torch, curvlinops = (harness.peer(name, missing) for name in ("torch", "curvlinops"))
    rows = []
    for sizes, images in (((49, 8, 10), datasets.pool(digits, 7)), ((784, 30, 10), digits)):
        if not (torch and curvlinops):
            break
        net = mlp.MLP(sizes, "tanh", "cross-entropy", "glorot", 0)
        layers = []
        for weights, bias in zip(net.weights, net.biases, strict=True):
            layer = torch.nn.Linear(*weights.shape, dtype=torch.float64)
            layer.weight.data, layer.bias.data = torch.tensor(weights.T), torch.tensor(bias)
            layers += [layer, torch.nn.Tanh()]
        model = torch.nn.Sequential(*layers[:-1])
        data = [(torch.tensor(images.inputs), torch.tensor(images.labels))]
        peer = curvlinops.HessianLinearOperator(model, torch.nn.CrossEntropyLoss(), list(model.parameters()),
                                                data, check_deterministic=False)
        product = curvature.products(net, images.inputs, images.labels)
        vectors = np.random.default_rng(0).normal(size=(VECTORS, curvature.parameters(net).size))
        columns = torch.tensor(torch_order(net, vectors).T.copy())
        vector, column = vectors[0], columns[:, 0].clone()
        difference = check("products against curvlinops", torch_order(net, product(vectors)),
                           (peer @ columns).numpy().T, 1e-13)
        seconds = harness.medians({
            "ours, one vector": (lambda: product(vector), 5),  # noqa: B023
            "peer, one vector": (lambda: peer @ column, 1),  # noqa: B023
            f"ours, {VECTORS} vectors": (lambda: product(vectors), 1),  # noqa: B023
            f"peer, {VECTORS} vectors": (lambda: peer @ columns, 1)}, ROUNDS)  # noqa: B023
        for count, goal in (("one vector", 2), (f"{VECTORS} vectors", 1)):
            name = f"Hessian products, {'-'.join(map(str, sizes))}, {len(images.labels):,} images, {count}"
            rows.append(harness.ratio(f"{name}, against curvlinops", seconds, f"ours, {count}", f"peer, {count}", goal,
                                      SIDES["products"]) | {"difference": difference})
    return rows


def main():
    missing = []
    digits = harness.real("mnist", 1000, missing)
    rows = whole_hessians(digits, missing) + products(digits, missing)
    harness.report("hessians", rows, ("numpy", "scipy", "numba", "torch", "curvlinops-for-pytorch"), missing)


if __name__ == "__main__":
    main()
