"""Run records -> rows, statistics and verdicts; in checks/, what `lth verify` consists of."""
