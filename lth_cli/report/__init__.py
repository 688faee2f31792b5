"""Rows -> terminal, CSV, JSON, markdown, picture; and the live display of a run."""
