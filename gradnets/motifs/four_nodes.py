"""Count the motifs of four nodes of any directed graph from what surrounds its pairs of nodes, by formulas.

Take two nodes a and b in state e, and two further nodes c and d. Each pair of nodes has a state, as in `enumeration`,
and a further node has a class beside a and b: its states with a and with b. The numbers n of further nodes of each
class follow from degrees and from common neighbours, so that n_i n_j choices of c and d have the classes i and j, and
n_i (n_i - 1) / 2 choices the same class twice. Summed over the pairs a and b, this is the number of views (e, i, j):
subgraphs with a chosen pair c and d, whatever the state of that pair.

The view of a subgraph leaves one pair of nodes out. Subgraphs in which c and d are not linked are therefore those of a
view without those in which c and d are linked, and these have one link more. So the counts follow from each other, from
many links to few. Only the subgraphs with all six links are visited.

Every other connected subgraph has a view that leaves out an unlinked pair while a and b are linked, except the cycle of
four links. For that cycle, views of unlinked pairs are counted too, if c and d are both linked with a and b.
"""
import numpy as np

from gradnets.errors import UserError
from gradnets.motifs._tables import compiled, doubled, tally
from gradnets.motifs.enumeration import subgraphs_at_most

VIEWS = ((0, 1, 2, 3), (2, 3, 0, 1), (0, 2, 1, 3), (1, 3, 0, 2), (0, 3, 1, 2), (1, 2, 0, 3))  # nodes a, b, c, d
MOST_VIEWS = 2**25      # entries of the table of views, 256 MB: up to 32 states
MOST_CLASSES = 2**25    # entries of the tables of classes beside each node, 200 MB
MOST_SUBGRAPHS = 2**60  # a subgraph has six views, whose sums have to stay below 2**63


def counts_of_four(enumeration, graph):
    """Count the connected induced subgraphs of four nodes.

    Parameters
    ----------
    enumeration : Enumeration of size 4
        Numbers the states of pairs, and remembers the classes of raw codes.
    graph : Graph

    Returns
    -------
    codes, counts : int64
        Codes of classes and their counts; a code may occur several times.

    Raises
    ------
    UserError
        If the size is not 4, or the graph is too large for the tables.

    Notes
    -----
    Time grows with the sum of squared degrees, with the fifth power of the number of states, and with the number of
    subgraphs that have all six links.
    """
    if enumeration.size != 4:
        raise UserError(f"size is {enumeration.size}: the formulas count motifs of 4 nodes")
    if np.isinf(seconds_of_formulas(graph, len(enumeration.pairs))):
        raise UserError(f"a graph of {graph.nodes:,} nodes, {len(enumeration.pairs)} states of a pair and up to "
                        f"{subgraphs_at_most(graph, 4):.2g} subgraphs is too large for the formulas: count by "
                        "enumeration, or take a sampled census")
    raw, counts = _count(enumeration.links(graph), enumeration.reverse_states)
    return enumeration.classes(raw), counts


def seconds_of_formulas(graph, states):
    """Return how long the formulas are expected to take, infinite for a graph too large for their tables.

    states: number of states of a pair. The factors are measured seconds: per pair of links that share a node, and per
    view.
    """
    degrees = np.bincount(np.concatenate(graph.linked_pairs[1:]), minlength=1).astype(float)
    if (states**5 > MOST_VIEWS or states**2 * np.count_nonzero(degrees) > MOST_CLASSES
            or subgraphs_at_most(graph, 4) > MOST_SUBGRAPHS):
        return np.inf
    return 2e-8 * (degrees * (degrees - 1) / 2).sum() + 1e-8 * states**5


# ---- kernels ----------------------------------------------------------------------------------------------

@compiled
def _count(links, reverse):
    """Return raw codes and their counts, int64; reverse: int64 (states,), the state of a pair from its other end."""
    keys, values = _count_cliques(links, len(reverse))
    return _counts_of_views(_count_views(links, reverse), keys, values, reverse)


@compiled
def _count_cliques(links, states):
    """Visit the subgraphs with six links; return their raw codes and counts as a hash table, int64."""
    starts, neighbors, states_of = links
    nodes, classes = len(starts) - 1, states * states
    keys, values = np.full(1024, -1, np.int64), np.zeros(1024, np.int64)
    used = 0
    state_from_a, class_beside = np.zeros(nodes, np.int64), np.zeros(nodes, np.int64)  # 0 for what is not linked
    common = np.empty(nodes, np.int64)  # neighbours of a and b below b
    for a in range(nodes):
        for edge in range(starts[a], starts[a + 1]):
            state_from_a[neighbors[edge]] = states_of[edge]
        for edge in range(starts[a], starts[a + 1]):
            b, count = neighbors[edge], 0
            if b >= a:
                break
            for further in range(starts[b], starts[b + 1]):
                c = neighbors[further]
                if c >= b:
                    break
                if state_from_a[c]:
                    class_beside[c] = state_from_a[c] + states * states_of[further]
                    common[count] = c
                    count += 1
            for c in common[:count]:
                inner = states_of[edge] + states * class_beside[c]
                for further in range(starts[c], starts[c + 1]):
                    d = neighbors[further]
                    if d >= c:
                        break
                    if class_beside[d]:
                        outer = class_beside[d] + classes * states_of[further]
                        used += tally(keys, values, inner + states * classes * outer)
                        if 2 * used > keys.size:
                            keys, values = doubled(keys, values)
            for c in common[:count]:
                class_beside[c] = 0
        for edge in range(starts[a], starts[a + 1]):
            state_from_a[neighbors[edge]] = 0
    return keys, values


@compiled
def _count_views(links, reverse):
    """Count the views of all subgraphs, int64 (states**5,), by the raw code of a subgraph with c and d not linked."""
    starts, neighbors, states_of = links
    nodes, states = len(starts) - 1, len(reverse)
    classes = states * states  # class x + states y: state x from a, state y from b
    views = np.zeros(states * classes * classes, np.int64)
    degrees = np.zeros((nodes, states), np.int64)
    class_from_b = np.empty(len(neighbors), np.int32)  # of each link, walked towards b
    for node in range(nodes):
        for edge in range(starts[node], starts[node + 1]):
            degrees[node, states_of[edge]] += 1
            class_from_b[edge] = states * reverse[states_of[edge]]
    common = np.zeros((nodes, classes), np.int32)     # number of common neighbours of a and b, by class
    occurring = np.zeros((nodes, classes), np.int16)  # classes of common neighbours of a and b,
    kinds = np.zeros(nodes, np.int64)                 # and how many they are
    reached = np.empty(nodes, np.int64)
    class_of, count_of = np.empty(classes, np.int64), np.empty(classes, np.int64)
    from_a, from_b = np.empty(states, np.int64), np.empty(states, np.int64)
    for a in range(nodes):
        count = 0
        for edge in range(starts[a], starts[a + 1]):
            node, x = neighbors[edge], states_of[edge]
            for further in range(starts[node], starts[node + 1]):
                b = neighbors[further]
                if b >= a:
                    break
                here = x + class_from_b[further]
                if common[b, here] == 0:
                    if kinds[b] == 0:
                        reached[count] = b
                        count += 1
                    occurring[b, kinds[b]] = here
                    kinds[b] += 1
                common[b, here] += 1
        for edge in range(starts[a], starts[a + 1]):  # linked pairs
            b, e = neighbors[edge], states_of[edge]
            if b >= a:
                break
            for x in range(states):
                from_a[x], from_b[x] = degrees[a, x], degrees[b, x]
            from_a[e] -= 1
            from_b[reverse[e]] -= 1
            length = kinds[b]
            for kind in range(length):
                here = occurring[b, kind]
                class_of[kind], count_of[kind] = here, common[b, here]
                from_a[here % states] -= common[b, here]
                from_b[here // states] -= common[b, here]
            for x in range(1, states):
                if from_a[x]:
                    class_of[length], count_of[length] = x, from_a[x]
                    length += 1
                if from_b[x]:
                    class_of[length], count_of[length] = states * x, from_b[x]
                    length += 1
            _add_choices(views, e, class_of, count_of, length, states)
            for kind in range(kinds[b]):
                common[b, occurring[b, kind]] = 0
            kinds[b] = 0
        for place in range(count):
            b = reached[place]
            for kind in range(kinds[b]):
                here = occurring[b, kind]
                class_of[kind], count_of[kind] = here, common[b, here]
                common[b, here] = 0
            _add_choices(views, 0, class_of, count_of, kinds[b], states)
            kinds[b] = 0
    return views


@compiled
def _add_choices(views, state, class_of, count_of, length, states):
    """Count the choices of two further nodes beside two nodes, by their classes."""
    classes = states * states
    for place in range(length):
        inner = state + states * class_of[place]
        views[inner + states * classes * class_of[place]] += count_of[place] * (count_of[place] - 1) // 2
        for later in range(place + 1, length):
            views[inner + states * classes * class_of[later]] += count_of[place] * count_of[later]


@compiled
def _counts_of_views(views, keys, values, reverse):
    """Return raw codes and their counts, from many links to few; subgraphs with six links may repeat a class."""
    states = len(reverse)
    size = np.count_nonzero(views) + np.count_nonzero(values)
    codes, counts = np.empty(size, np.int64), np.empty(size, np.int64)
    used = 0
    pairs = np.zeros((4, 4), np.int64)  # states of all pairs of a subgraph
    numbers, is_linked = np.empty(6, np.int64), np.empty(6, np.bool_)  # its views, and whether c and d are linked
    for view in range(len(views)):
        if views[view]:
            _unpack(view, pairs, reverse)
            number = _number(pairs, 0, 1, 2, 3, states)
            if number != view:
                views[number] += views[view]
                views[view] = 0
    for place in range(len(keys)):
        if values[place]:
            codes[used], counts[used] = keys[place], values[place]
            used += 1
            _unpack(keys[place], pairs, reverse)
            _list_views(pairs, numbers, is_linked, states)
            for number in numbers:
                views[number] -= values[place]
    for missing in range(1, 4):  # number of links that a subgraph lacks
        for view in range(len(views)):
            if views[view] == 0 or _unpack(view, pairs, reverse) != missing:
                continue
            _list_views(pairs, numbers, is_linked, states)
            alike, is_first = 0, True  # views of this subgraph that are the same one
            for k in range(6):
                if not is_linked[k] and numbers[k] >= 0:
                    alike += numbers[k] == view
                    is_first &= numbers[k] >= view
            if is_first:
                count = views[view] // alike
                codes[used], counts[used] = view, count
                used += 1
                for k in range(6):
                    if is_linked[k] and numbers[k] >= 0:
                        views[numbers[k]] -= count
    return codes[:used], counts[:used]


@compiled
def _unpack(code, pairs, reverse):
    """Write the states of a raw code's pairs, (4, 4); return the number of unlinked pairs."""
    missing = 0
    for j in range(1, 4):
        for i in range(j):
            code, state = divmod(code, len(reverse))
            pairs[i, j], pairs[j, i] = state, reverse[state]
            missing += state == 0
    return missing


@compiled
def _number(pairs, a, b, c, d, states):
    """Return the number of a view, the smallest over exchanging a and b, and c and d."""
    smallest = np.int64(2**63 - 1)
    for p, q in ((a, b), (b, a)):
        for r, s in ((c, d), (d, c)):
            number = pairs[q, s]
            for state in (pairs[p, s], pairs[q, r], pairs[p, r], pairs[p, q]):
                number = states * number + state
            smallest = min(smallest, number)
    return smallest


@compiled
def _list_views(pairs, numbers, is_linked, states):
    """Write the numbers of a subgraph's six views, -1 where none is counted, and whether each has c and d linked."""
    for k in range(6):
        a, b, c, d = VIEWS[k]
        links_of_c, links_of_d = (pairs[a, c] > 0) + (pairs[b, c] > 0), (pairs[a, d] > 0) + (pairs[b, d] > 0)
        is_counted = min(links_of_c, links_of_d) > 0 and (pairs[a, b] > 0 or links_of_c + links_of_d == 4)
        numbers[k] = _number(pairs, a, b, c, d, states) if is_counted else -1
        is_linked[k] = pairs[c, d] > 0
