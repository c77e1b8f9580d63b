"""Compiled loops of the tail fits. They take sorted logarithms, where a power law is an exponential law.

All stand in one file, since numba's cache of a kernel does not notice changes of kernels in other files.

The search for xmin looks at all distinct values. The distance of a candidate is at least the gap at any one value, so
a single value, the witness, can rule a candidate out. The witness of one candidate also rules out its neighbors: as
the candidate moves by a rank, the fitted law and the shares of the data hardly move.
"""
import numpy as np
from numba import njit

STRIDE = 64      # values between two stored sums
START = 100      # candidates that are tried first, to rule out the others by
WITNESSES = 8    # values that a block of candidates is tried with, before one candidate is looked at in full
SLACK = 1e-12    # above the rounding of a gap


@njit(cache=True)
def excess_sums(logs):
    """Return Σ (log_j - log_i) over j >= i at each i = 0, STRIDE, 2 STRIDE, ..., and 0 behind them."""
    n = len(logs)
    blocks = (n + STRIDE - 1) // STRIDE
    sums = np.zeros(blocks + 1)
    total, lost = 0.0, 0.0  # lost: what rounding took from the total (Neumaier)
    for b in range(blocks - 1, -1, -1):
        first, end = b * STRIDE, min((b + 1) * STRIDE, n)
        part = (n - end) * (logs[end] - logs[first]) if end < n else 0.0
        for i in range(first, end):
            part += logs[i] - logs[first]
        new = total + part
        lost += (total - new) + part if total >= part else (part - new) + total
        total = new
        sums[b] = total + lost
    return sums


@njit(cache=True)
def excess(logs, sums, first):
    """Return Σ (log_j - log_first) over j >= first."""
    n = len(logs)
    b = (first + STRIDE - 1) // STRIDE
    end = min(b * STRIDE, n)
    total = sums[b]
    if end < n:
        total += (n - end) * (logs[end] - logs[first])
    for i in range(first, end):
        total += logs[i] - logs[first]
    return total


@njit(cache=True)
def distance(logs, first, rate, limit, shares):
    """Return the largest gap between the data and an exponential law above logs[first], and the index where it is.

    If the gap exceeds `limit` at one of a few evenly spaced values, the largest gap of these is returned. `shares` is
    work space. Between two values the data's share and the law's both only grow, which bounds all gaps between them.
    """
    n = len(logs) - first
    stride = int(n**0.43 / 2) + 1
    blocks = (n + stride - 1) // stride
    largest, at = -1.0, first
    for b in range(blocks):
        i = b * stride
        shares[b] = 1.0 - np.exp(-rate * (logs[first + i] - logs[first]))
        gap = abs(shares[b] - i / n)
        if gap > largest:
            largest, at = gap, first + i
    if stride == 1 or largest > limit:
        return largest, at
    shares[blocks] = 1.0 - np.exp(-rate * (logs[len(logs) - 1] - logs[first]))
    fine = max(int(stride**0.6), 1)
    for b in range(blocks):
        i, end = b * stride, min((b + 1) * stride, n)
        if max(shares[b + 1] - i / n, (end - 1) / n - shares[b]) + SLACK <= largest:
            continue
        low = shares[b]
        for start in range(i, end, fine):
            stop = min(start + fine, end)
            high = 1.0 - np.exp(-rate * (logs[first + stop - 1] - logs[first]))
            if max(high - start / n, (stop - 1) / n - low) + SLACK > largest:
                for k in range(start, stop):
                    gap = abs(1.0 - np.exp(-rate * (logs[first + k] - logs[first])) - k / n)
                    if gap > largest:
                        largest, at = gap, first + k
            low = high
    return largest, at


@njit(cache=True)
def work_space(n):
    """Return how many shares `distance` needs for tails of up to n values."""
    return 2 * int(n**0.57) + 8


@njit(cache=True)
def run_start(logs, i):
    """Return the index of the first of the values equal to logs[i]."""
    step = 1
    while i - step >= 0 and logs[i - step] == logs[i]:
        i -= step
        step *= 2
    while step >= 1:
        if i - step >= 0 and logs[i - step] == logs[i]:
            i -= step
        step //= 2
    return i


@njit(cache=True)
def are_out(logs, low, high, slow, fast, witnesses, limit):
    """Return whether one witness has a gap above `limit` for every candidate from index `low` to `high`.

    slow, fast : bounds of their rates. The witness that does so moves to the front.
    """
    n = len(logs)
    for w in range(len(witnesses)):
        at = witnesses[w]
        if at < high:
            continue
        above = 1.0 - np.exp(-slow * (logs[at] - logs[high])) - (at - low) / (n - low)
        below = (at - high) / (n - high) - (1.0 - np.exp(-fast * (logs[at] - logs[low])))
        if max(above, below) > limit:
            move_to_front(witnesses, w, at)
            return True
    return False


@njit(cache=True)
def move_to_front(witnesses, place, at):
    """Put `at` first, and what was before `place` one place back."""
    for w in range(place, 0, -1):
        witnesses[w] = witnesses[w - 1]
    witnesses[0] = at


@njit(cache=True)
def try_candidate(logs, sums, first, limit, witnesses, shares):
    """Return rate and distance of one candidate; some gap above `limit` replaces a distance above it."""
    rate = (len(logs) - first) / excess(logs, sums, first)
    if are_out(logs, first, first, rate, rate, witnesses, limit):
        return rate, np.inf
    gap, at = distance(logs, first, rate, limit, shares)
    move_to_front(witnesses, len(witnesses) - 1, at)
    return rate, gap


@njit(cache=True)
def search(logs, sums, limit, enough):
    """Return the index, rate and distance of the candidate whose distance is smallest and at most `limit`.

    Parameters
    ----------
    logs : float64 array (n,), sorted, with at least two distinct values
    sums : float64 array, `excess_sums` of them
    limit : float
        If no candidate's distance is so small, the index is -1.
    enough : bool
        Whether to return the first candidate whose distance is below `limit`.

    Notes
    -----
    Of equal distances, that of the longest tail is taken. From the largest candidate down, blocks of candidates are
    tried with the last witnesses; a block doubles while it is out, and shrinks until it is out or a single candidate.
    A candidate with a smaller distance is followed downhill at once, so that few are the smallest so far.
    """
    n = len(logs)
    shares, witnesses = np.empty(work_space(n)), np.full(WITNESSES, n - 1)
    top = run_start(logs, n - 1)  # of the largest value, which is no candidate
    ratio = (n - top + 1) / n
    best, best_rate, started = -1, 0.0, 0
    step = 0                      # how far below the best candidate the next one is tried, 0 for a block
    high, width = top - 1, 1      # the next block: its largest candidate, and its number of ranks
    while high >= 0:
        if started < START:       # evenly spaced in the logarithm of the tail's size
            first = run_start(logs, min(int(n - n * ratio ** (started / (START - 1))), top - 1))
            started += 1
        elif step:
            if best < step:
                step //= 4
                continue
            first = run_start(logs, best - step)
        else:
            low = max(high - width + 1, 0)
            slow, fast = (n - high) / excess(logs, sums, low), (n - low) / excess(logs, sums, high)
            if are_out(logs, low, high, slow, fast, witnesses, limit + SLACK * (width > 1)):
                high, width = low - 1, 2 * width
                continue
            if width > 1:
                width = max(min(width, high + 1) // 4, 1)
                continue
            first = run_start(logs, high)
            high, width = first - 1, 2
        rate, gap = try_candidate(logs, sums, first, limit, witnesses, shares)
        if gap < limit or (gap == limit and (best < 0 or first < best)):
            if enough and gap < limit:
                return first, rate, gap
            best, best_rate, limit = first, rate, gap
            step = max(2 * step, 1)
        else:
            step //= 4
    return best, best_rate, limit


@njit(cache=True)
def fit_all(logs, sums, candidates):
    """Return rate and distance at every candidate."""
    rates, gaps = np.empty(len(candidates)), np.empty(len(candidates))
    shares = np.empty(work_space(len(logs)))
    for k in range(len(candidates)):
        rates[k] = (len(logs) - candidates[k]) / excess(logs, sums, candidates[k])
        gaps[k], _ = distance(logs, candidates[k], rates[k], np.inf, shares)
    return rates, gaps


@njit(cache=True, fastmath={"contract", "reassoc", "nsz", "arcp"}, error_model="numpy")
def power_sums(ordered, edges, centers, half_widths, sums):
    """Write into sums[b, k] the sum of ((x - center) / half width)^k over the values of bin b, for k below 10."""
    for b in range(len(centers)):
        center, scale = centers[b], 1.0 / half_widths[b]
        s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = s9 = 0.0
        for i in range(edges[b], edges[b + 1]):
            t = (np.float64(ordered[i]) - center) * scale
            t2 = t * t
            t3, t4 = t * t2, t2 * t2
            s1 += t
            s2 += t2
            s3 += t3
            s4 += t4
            s5 += t4 * t
            s6 += t4 * t2
            s7 += t4 * t3
            s8 += t4 * t4
            s9 += t4 * t4 * t
        sums[b, 0] = edges[b + 1] - edges[b]
        sums[b, 1:] = np.array((s1, s2, s3, s4, s5, s6, s7, s8, s9))


@njit(cache=True)
def count_distinct(ordered, limit):
    """Return the number of distinct values in sorted ones, or `limit` if there are more."""
    distinct = min(len(ordered), 1)
    for i in range(1, len(ordered)):
        if distinct == limit:
            break
        distinct += ordered[i] > ordered[i - 1]
    return distinct


@njit(cache=True)
def add_spacings(draws, above, start, scale, sums):
    """Turn draws of an exponential law of mean 1 into the next values of a sorted sample of mean `scale`.

    The spacings of a sorted sample are independent draws, divided by the number of values from them on (Rényi 1953).
    So Σ (value_j - value_i) over j >= i is the sum of the draws behind i.

    Parameters
    ----------
    draws : float64 array, overwritten with the values
    above : int
        The number of values from the first of them on.
    start, scale : float
        The value before the first of them, and the mean of the law.
    sums : float64 array
        Gets two numbers for each STRIDE of the values: the first draw, and the sum of all their draws, times `scale`.

    Returns
    -------
    float
        The last value.
    """
    value = start
    for i in range(len(draws)):
        draw = scale * draws[i]
        value += draw / (above - i)
        draws[i] = value
        if i % STRIDE == 0:
            sums[2 * (i // STRIDE)] = draw
            sums[2 * (i // STRIDE) + 1] = 0.0
        sums[2 * (i // STRIDE) + 1] += draw
    return value


@njit(cache=True)
def fill_from_bins(rng, logs, edges, counts, sample):
    """Fill the last bins of a sorted sample: draw counts[b] values from logs[edges[b]:edges[b + 1]].

    The highest bin is drawn first, so that a longer sample of the same generator ends with the shorter one.
    """
    end = len(sample)
    for b in range(len(counts) - 1, -1, -1):
        if end == 0:
            break
        drawn = sample[end - counts[b]:end]
        for i in range(counts[b]):
            drawn[i] = logs[edges[b] + int(rng.random() * (edges[b + 1] - edges[b]))]
        if counts[b] > 1:
            drawn.sort()
        end -= counts[b]


@njit(cache=True)
def deepest_bin(low, high, counts, tail, limit):
    """Return the lowest bin whose values may be candidates with a distance below `limit`, or the number of bins.

    Parameters
    ----------
    low, high : float64 arrays (bins,)
        Smallest and largest logarithm in each bin, rising from bin to bin.
    counts : int64 array (bins,)
        How many values of a sample lie in each bin. Only this is known of them.
    tail : float64 array, sorted, at least high[-1]
        The logarithms of the sample above all bins.
    limit : float
    """
    bins = len(counts)
    ranks = np.zeros(bins + 1, np.int64)
    for b in range(bins):
        ranks[b + 1] = ranks[b] + counts[b]
    n = ranks[bins] + len(tail)
    least, most = np.empty(bins + 1), np.empty(bins + 1)  # sums of the logarithms above the lowest one, from bin b on
    base = low[0]
    least[bins] = 0.0
    for value in tail:
        least[bins] += value - base
    most[bins] = least[bins]
    for b in range(bins - 1, -1, -1):
        least[b] = least[b + 1] + counts[b] * (low[b] - base)
        most[b] = most[b + 1] + counts[b] * (high[b] - base)

    bins_tried, tail_tried = np.arange(0, bins, max(bins // 512, 1)), np.arange(0, len(tail), max(len(tail) // 256, 1))
    begins, ends = np.append(low[bins_tried], tail[tail_tried]), np.append(high[bins_tried], tail[tail_tried])
    first_ranks = np.append(ranks[bins_tried], ranks[bins] + tail_tried)         # of the first value of each witness
    last_ranks = np.append(ranks[bins_tried + 1] - 1, ranks[bins] + tail_tried)  # and of the last one
    witness = 0  # a bin or a single value, where a gap may be above the limit
    for b in range(bins):
        if counts[b] == 0:
            continue
        above = n - ranks[b + 1]  # tails that begin in the bin have from above + 1 to above + counts[b] values
        smallest = least[b + 1] - above * (high[b] - base)
        if smallest <= 0:
            return b
        slow = (above + 1) / (most[b] - (above + counts[b]) * (low[b] - base))
        fast = (above + counts[b]) / smallest
        for trial in range(len(begins) + 1):  # the last successful witness first
            if trial > 0:
                witness = trial - 1
            first, last = first_ranks[witness], last_ranks[witness]
            if first < ranks[b + 1] or last < first:
                continue
            over = 1.0 - np.exp(-slow * (begins[witness] - high[b])) - (first - ranks[b]) / (above + counts[b])
            under = (last - ranks[b + 1] + 1) / (above + 1) - (1.0 - np.exp(-fast * (ends[witness] - low[b])))
            if max(over, under) > limit + SLACK:
                break
        else:
            return b
    return bins


@njit(cache=True)
def ratio_sums(power_law, alternative, mean):
    """Return the sum of the differences, and the sum of their squares about the mean, added from first to last."""
    total, squares = 0.0, 0.0
    for i in range(len(power_law)):
        difference = power_law[i] - alternative[i]
        total += difference
        deviation = difference - mean
        squares += deviation * deviation
    return total, squares
