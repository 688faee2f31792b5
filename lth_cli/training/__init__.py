"""Training: one step, shared by the executors; evaluation; what goes in (jobs) and what comes out (fitted)."""
