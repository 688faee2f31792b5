"""Names of lth's own arms; a control is an arm by its own name."""

DENSE = "dense"
WINNING = "winning"
DENSE_RETRAINED = "dense_retrained"
"""The dense network, trained as often as the tickets beside it, and pruned never: a fair rival of tickets that go on from
trained weights."""

OWN = (DENSE, WINNING, DENSE_RETRAINED)
