"""How fast are a sampled network's metrics and null models, beside networkx, igraph and networkit?

Networks are sampled from a gradient of the essay's net on MNIST (784 nodes) and CIFAR-10 (3072). End to end starts at
the bool adjacency matrix and includes packing it, or building the peer's graph by its quickest constructor; all
metrics are components, every distance of the giant component, clustering and transitivity. The kernels are also
measured alone, on a packed matrix and on a graph that stands. networkx takes minutes for all distances of CIFAR-10:
its sources are sampled there, and the time scaled. Null models with the same degrees switch pairs of links, ten tries a
link on each side; a try that would make a loop or a double link changes nothing, so times are per switch that succeeds.
"""
import harness  # first: it pins the threads  # isort: skip

import resource
import subprocess
import sys
import tempfile
from collections import Counter

import limits
import networkx as nx
import numpy as np

import essay
from gradnets import networks

STEPS = {"mnist": 500, "cifar10": 100}
ROUNDS = 5
SOURCES = 64      # number of networkx's walks on CIFAR-10
SWITCHES = 10     # tries per link of a rewired network
NETWORKS = 1000   # number of networks sampled from one gradient

SIDES = {  # what each side does
    "all": "ours: from the bool matrix to components, all distances and clustering, by rows of bits; {}: the same from "
           "the bool matrix, with building its graph",
    "distances": "ours: all distances on the packed network; igraph: all distances on a graph that stands",
    "clustering": "ours: triangles of each node; igraph: average and global clustering on a graph that stands",
    "kernels": "ours: distances and triangles on the packed network; networkx: all distances and clustering on a graph "
               "that stands",
    "null": "both: ten switches tried per link, each time divided by the switches that succeed; ours also copies the "
            "network and lists its links",
    "communities": "both: three searches by the Louvain method, from other seeds",
}


def networkx_distances(graph, sources=None):
    counts = Counter()
    for source in graph if sources is None else sources:
        counts.update(nx.single_source_shortest_path_length(graph, source).values())
    return counts


def networkx_clustering(graph):
    return nx.average_clustering(graph), nx.transitivity(graph)


def networkx_giant(graph):
    return graph.subgraph(max(nx.connected_components(graph), key=len)).copy()


def igraph_build(igraph, adjacency):
    return igraph.Graph(n=len(adjacency), edges=np.argwhere(np.triu(adjacency)))


def igraph_clustering(graph):
    return graph.transitivity_avglocal_undirected(mode="zero"), graph.transitivity_undirected()


def igraph_all(igraph, adjacency):
    graph = igraph_build(igraph, adjacency)
    giant = graph.connected_components().giant()
    return graph.degree(), giant.path_length_hist(directed=False), igraph_clustering(graph)


def networkit_build(networkit, adjacency):
    ends = np.ascontiguousarray(np.argwhere(np.triu(adjacency)).T)
    graph = networkit.Graph(len(adjacency))
    graph.addEdges(tuple(ends))
    return graph


def networkit_all(networkit, adjacency):
    graph = networkit_build(networkit, adjacency)
    giant = networkit.components.ConnectedComponents.extractLargestConnectedComponent(graph, True)
    distances = networkit.distance.NeighborhoodFunction(giant)  # faster than all distances, which it counts
    clustering = networkit.centrality.LocalClusteringCoefficient(graph, True)
    for algorithm in (distances, clustering):
        algorithm.run()
    return distances.getNeighborhoodFunction(), clustering.scores()  # the degrees and these give the transitivity


def compare(name, probabilities, igraph, networkit):
    """Return the rows of ratios on one sampled network."""
    adjacency = networks.merge_layers(networks.sample(probabilities, np.random.default_rng(0)))
    packed, graph = networks.pack(adjacency), nx.from_numpy_array(adjacency)
    giant = networkx_giant(graph)
    scaled = len(giant) > 1000
    sources = list(giant)[:SOURCES] if scaled else None
    quick = 3 if scaled else 50
    contestants = {
        "all": (lambda: networks.measure(adjacency), quick),
        "distances": (lambda: networks.distances(packed), quick),
        "clustering": (lambda: networks.triangles(packed), quick),
        "networkx build": (lambda: networkx_giant(nx.from_numpy_array(adjacency)), 1),
        "networkx distances": (lambda: networkx_distances(giant, sources), 1),
        "networkx clustering": (lambda: networkx_clustering(graph), 1),
    }
    if igraph:
        standing = igraph_build(igraph, adjacency)
        connected = standing.connected_components().giant()
        contestants |= {
            "igraph": (lambda: igraph_all(igraph, adjacency), 1),
            "igraph distances": (lambda: connected.path_length_hist(directed=False), 1),
            "igraph clustering": (lambda: igraph_clustering(standing), 1),
        }
    if networkit:
        contestants["networkit"] = (lambda: networkit_all(networkit, adjacency), 1)
    seconds = harness.medians(contestants, ROUNDS)
    if scaled:
        seconds["networkx distances"] *= len(giant) / SOURCES
    seconds["networkx"] = sum(seconds[f"networkx {part}"] for part in ("build", "distances", "clustering"))
    seconds["kernels"] = seconds["distances"] + seconds["clustering"]
    seconds["networkx kernels"] = seconds["networkx distances"] + seconds["networkx clustering"]
    rows = [harness.ratio(f"all metrics end to end, {name}, against networkx", seconds, "all", "networkx", 500,
                          SIDES["all"].format("networkx")),
            harness.ratio(f"kernels alone, {name}, against networkx", seconds, "kernels", "networkx kernels", 1000,
                          SIDES["kernels"])]
    if igraph:
        rows += [harness.ratio(f"all metrics end to end, {name}, against igraph", seconds, "all", "igraph", 60,
                               SIDES["all"].format("igraph")),
                 harness.ratio(f"distances alone, {name}, against igraph", seconds, "distances", "igraph distances",
                               100, SIDES["distances"], distance_limit(adjacency, packed)),
                 harness.ratio(f"clustering alone, {name}, against igraph", seconds, "clustering",
                               "igraph clustering", 20, SIDES["clustering"], triangle_limit(packed))]
    if networkit:
        rows.append(harness.ratio(f"all metrics end to end, {name}, against networkit", seconds, "all", "networkit",
                                  100, SIDES["all"].format("networkit")))
    return rows


def triangle_limit(packed):
    """Return the limit of counting triangles: two rows are read for each link."""
    size = packed.bits.nbytes
    return (f"reading {size / 1024:.0f} KiB",
            len(packed.neighbors) * packed.bits[0].nbytes / limits.reading(size))


def distance_limit(adjacency, packed):
    """Return the limit of the walk: the rows that are read, as a plain walk with the same rule of stopping counts them.

    Rows of the first level are united with those of all neighbors, later rows until they are full.
    """
    component = max(nx.connected_components(nx.from_numpy_array(adjacency)), key=len)
    members = np.array(sorted(component))
    links = adjacency[np.ix_(members, members)]
    reach, read = links | np.eye(len(links), dtype=bool), 0
    while not reach.all():
        further = reach.copy()
        for i in np.flatnonzero(~reach.all(axis=1)):
            neighbors = np.flatnonzero(links[i])
            for start in range(0, len(neighbors), 16):
                chunk = neighbors[start:start + 16]
                further[i] |= reach[chunk].any(axis=0)
                read += len(chunk)
                if further[i].all():
                    break
        reach = further
    row = -(-len(links) // 512) * 64  # bytes
    return f"reading {len(links) * row / 1024:.0f} KiB", read * row / limits.reading(len(links) * row)


def share_switched(adjacency, tries, rng):
    """Return the share of pairs of links, drawn at random, that can be switched without a loop or a double link."""
    ends = np.argwhere(adjacency)  # each link in both directions, so that both ways to switch a pair are drawn
    (a, b), (c, d) = (ends[rng.integers(len(ends), size=tries)].T for _ in range(2))
    return np.mean((a != d) & (c != b) & ~adjacency[a, d] & ~adjacency[c, b])


def null_models(name, probabilities, igraph, networkit):
    """Return the rows of null models with the same degrees, each time divided by the switches that succeeded."""
    adjacency = networks.merge_layers(networks.sample(probabilities, np.random.default_rng(0)))
    packed, rng = networks.pack(adjacency), np.random.default_rng(1)
    tries = SWITCHES * (len(packed.neighbors) // 2)
    null = networks.undirected_configuration(packed, rng)
    switched = {"ours": tries * share_switched(null, 100_000, rng)}
    contestants = {"ours": (lambda: networks.undirected_configuration(packed, rng), 5)}
    if igraph:
        graph = igraph_build(igraph, adjacency)
        switched["igraph"] = switched["ours"]  # the same chain: it does not tell how many succeeded
        contestants["igraph"] = (lambda: graph.rewire(tries), 1)
    if networkit:
        standing = networkit_build(networkit, adjacency)
        chains = []

        def switch():
            chains.append(networkit.randomization.EdgeSwitching(standing, float(SWITCHES), False))
            chains[-1].run()
        contestants["networkit"] = (switch, 1)
    seconds = harness.medians(contestants, ROUNDS)
    if networkit:
        switched["networkit"] = np.mean([chain.getNumberOfAffectedEdges() for chain in chains]) / 2
    per_switch = {peer: seconds[peer] / switched[peer] for peer in seconds}
    return [harness.ratio(f"null model of the same degrees, per successful switch, {name}, against {peer}", per_switch,
                          "ours", peer, 10, SIDES["null"]) for peer in per_switch if peer != "ours"]


def sample_and_measure(probabilities):
    """Sample, merge and measure NETWORKS networks."""
    rng = np.random.default_rng(0)
    for _ in range(NETWORKS):
        networks.measure(networks.pack_merged(networks.sample(probabilities, rng)))


def peak_memory(name):
    """Return the peak memory of grad_network.py on a data set, in gigabytes, measured in a process of its own."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([sys.executable, harness.ROOT / "grad_network.py", "--dataset", name, "--steps", "20", "--draws",
                        "3", "--seed", "1", "--out", out], check=True, stdout=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9


def communities(probabilities, name):
    """Return the benchmark's row for three searches for communities, which is what `networks.profile` makes."""
    adjacency = networks.merge_layers(networks.sample(probabilities, np.random.default_rng(0)))
    packed, graph = networks.pack(adjacency), nx.from_numpy_array(adjacency)
    seconds = harness.medians({
        "ours": (lambda: [networks.communities(packed, seed) for seed in range(3)], 3),
        "networkx": (lambda: [nx.community.louvain_communities(graph, seed=seed) for seed in range(3)], 1)}, ROUNDS)
    return harness.ratio(f"communities by the Louvain method, {name}, against networkx", seconds,
                         "ours", "networkx", 10, SIDES["communities"])


def rewiring(probabilities, name):
    """Return the row of one tried switch of a rewired network."""
    adjacency = networks.merge_layers(networks.sample(probabilities, np.random.default_rng(0)))
    packed, rng = networks.pack(adjacency), np.random.default_rng(1)
    seconds = harness.medians({"ours": (lambda: networks.undirected_configuration(packed, rng), 10)}, ROUNDS)["ours"]
    tries = SWITCHES * np.count_nonzero(adjacency) // 2
    return harness.figure(f"one tried switch, {name}, nanoseconds", 1e9 * seconds / tries, 18)


def seconds_of(script, *flags):
    """Return the processor time of a script in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as out:
        subprocess.run([sys.executable, harness.ROOT / script, *flags, "--out", out], check=True,
                       stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def questions():
    """Return the rows of the scripts that have a limit of time."""
    return [harness.figure("real_networks.py, 12 seeds and 15 real networks, seconds on one core",
                           seconds_of("real_networks.py", "--networks", "repository"), 60),
            harness.figure("delta_origins.py, seconds on one core", seconds_of("delta_origins.py"), 60),
            harness.figure("weight_growth.py, MNIST, seconds on one core",
                           seconds_of("weight_growth.py", "--dataset", "mnist"), 60),
            harness.figure("period_doubling.py, seconds on one core", seconds_of("period_doubling.py"), 120),
            harness.figure("criticality.py, seconds on one core", seconds_of("criticality.py"), 120),
            harness.figure("gradient_space.py, seconds on one core", seconds_of("gradient_space.py"), 120)]


def main():
    rows, missing = [], []
    igraph, networkit = (harness.peer(peer, missing) for peer in ("igraph", "networkit"))
    if networkit:
        networkit.setNumberOfThreads(1)
    for name, steps in STEPS.items():
        dataset = harness.real(name, 10_000, missing)
        inputs = dataset.inputs.shape[1]
        gradient, _ = essay.gradient(dataset, inputs, steps, 0.1, 1, seed=1)
        probabilities = essay.sampling_probabilities(gradient, inputs)
        label = {"mnist": "MNIST", "cifar10": "CIFAR-10"}.get(dataset.name, dataset.name)
        rows += compare(label, probabilities, igraph, networkit)
        if inputs == 784:
            rows += null_models(label, probabilities, igraph, networkit)
            rows.append(communities(probabilities, label))
            rows.append(rewiring(probabilities, label))
            seconds = harness.medians({"all": (lambda p=probabilities: sample_and_measure(p), 1)}, 3)["all"]
            rows.append(harness.figure(f"{NETWORKS} networks sampled from one {label} gradient, every metric, seconds",
                                       seconds, 0.8))
        else:
            rows.append(harness.figure(f"peak memory of grad_network.py, {label}, {inputs}-{inputs}-10, GB",
                                       peak_memory(dataset.name), 2))
    rows += questions()
    harness.report("networks", rows, ("numpy", "numba", "networkx", "igraph", "networkit"), missing)


if __name__ == "__main__":
    main()
