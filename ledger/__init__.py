"""The ledger of claims: what the sources say, what the scripts measure, and the rule that judges each claim.

`parts` names the runs of scripts that the ledger rests on; `networks`, `origins`, `real_networks`, `space`, `growth`,
`tails`, `sparse`, `second_order`, `race` and `motifs` hold the claims by subject; `verdicts`, `rows` and `comparisons`
are what their rules are written with; `page` makes the page of results.
"""
