"""All claims by section, and the ledger of them."""
from ledger import (
    chaos,
    growth,
    motifs,
    networks,
    origins,
    race,
    real_networks,
    second_order,
    space,
    sparse,
    tails,
    universality,
)
from ledger.rows import Row
from ledger.verdicts import NOT_MEASURED, NotMeasured

SECTIONS = {"Gradient networks": networks.CLAIMS, "Likeness to real networks": real_networks.CLAIMS,
            "Deltas": origins.CLAIMS, "Space of gradients": space.CLAIMS, "Growth of weights": growth.CLAIMS,
            "Tails": tails.CLAIMS, "Sparse training": sparse.CLAIMS, "Second order": second_order.CLAIMS + race.CLAIMS,
            "Motifs": motifs.CLAIMS, "Dynamics of training": chaos.CLAIMS + universality.CLAIMS}


def judge(parts, sections=SECTIONS):
    """Judge claims.

    Parameters
    ----------
    parts : dict of list of dict
        The rows of all parts, as `parts.measure` returns them.
    sections : dict of claims by section
        All claims unless given.

    Returns
    -------
    list of dict
        section, claim, statement, source, criterion, source_value and axis of each claim; quantity, value,
        value_low, value_high and n of what is measured; the columns that it is compared with; beside, sentences
        on them; verdict. A claim that cannot be measured has no value, and beside says why.
    """
    parts = Row({part: [Row(row) for row in rows] for part, rows in parts.items()})
    rows = []
    for section, claims in sections.items():
        for claim in claims:
            row = {"section": section, "claim": claim.name, "statement": claim.statement, "source": claim.source,
                   "criterion": claim.criterion}
            row |= {} if claim.source_value is None else {"source_value": claim.source_value}
            row |= {"axis": claim.axis}
            try:
                quantity, number, n, context, verdict, comparison = claim.rule(parts)
                row |= {"quantity": quantity} | number | {"n": n} | comparison | {"beside": context, "verdict": verdict}
            except NotMeasured as error:
                row |= {"quantity": "", "n": "", "beside": str(error), "verdict": NOT_MEASURED}
            rows.append(row)
    return rows
