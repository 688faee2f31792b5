"""Names of the arms that every run has; a control is an arm by its own name."""

DENSE = "dense"
WINNING = "winning"
