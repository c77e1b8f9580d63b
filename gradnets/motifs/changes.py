"""Which motifs do nets have more of after learning than before, over many seeds?"""
import numpy as np
from scipy import stats

from gradnets.motifs import fanmod


def z_table(comparisons):
    """Return the Z of each motif in each net, NaN where random graphs do not differ or the net lacks the motif.

    comparisons : list of Significance

    Returns codes int64 (q,), adjacency (q, k, k) and z float64 (nets, q).
    """
    codes, first = np.unique(np.concatenate([net.census.codes for net in comparisons]), return_index=True)
    adjacency = np.concatenate([net.census.adjacency for net in comparisons])[first]
    z = np.full((len(comparisons), len(codes)), np.nan)
    for row, net in zip(z, comparisons, strict=True):
        row[np.searchsorted(codes, net.census.codes)] = np.where(net.differs, net.z, np.nan)
    return codes, adjacency, z


def changes(before, after):
    """Return the mean Z of each coloured motif before and after training, and the q of the change, a dict per motif.

    before, after : lists of Significance of the same nets. A motif needs three quarters of the nets, and three
    at least.
    """
    codes_before, adjacency, z_before = z_table(before)
    codes_after, _, z_after = z_table(after)
    shared = np.intersect1d(codes_before, codes_after)
    adjacency = adjacency[np.searchsorted(codes_before, shared)]
    z_before = z_before[:, np.searchsorted(codes_before, shared)]
    z_after = z_after[:, np.searchsorted(codes_after, shared)]
    known = np.isfinite(z_before) & np.isfinite(z_after)
    enough = known.sum(axis=0) >= max(3, 0.75 * len(before))
    if not enough.any():
        return []
    adjacency, known = adjacency[enough], known[:, enough]
    z_before, z_after = (np.where(known, z[:, enough], np.nan) for z in (z_before, z_after))
    p = stats.ttest_rel(z_after, z_before, nan_policy="omit").pvalue
    q = stats.false_discovery_control(np.nan_to_num(p, nan=1.0))  # NaN: no net has another Z after training
    columns = zip(fanmod.topology_id(adjacency).tolist(), adjacency, np.nanmean(z_before, axis=0).tolist(),
                  np.nanmean(z_after, axis=0).tolist(), q.tolist(), strict=True)
    return [dict(zip(("id", "adjacency", "before", "after", "q"), row, strict=True)) for row in columns]


def is_raised(row):
    """Return whether learning raises a motif, from its row of `changes`."""
    return row["q"] < 0.05 and row["after"] > row["before"]
