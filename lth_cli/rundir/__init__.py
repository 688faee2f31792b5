"""The run directory: every path, every write and every read of it. The format is public and versioned."""
