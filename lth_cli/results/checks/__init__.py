"""The checks of runs and sweeps on disk, a module per kind; verify.py lists those of a run, sweeps.py is of several."""
