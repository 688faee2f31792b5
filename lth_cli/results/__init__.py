"""Run records -> rows, statistics and verdicts; and the checks of a run on disk."""
