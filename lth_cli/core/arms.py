"""Names of the arms that every run has; a control is an arm by its own name."""

DENSE = "dense"
WINNING = "winning"
MOST = 100  # of a run: each has its line in every table and its curve in every picture
