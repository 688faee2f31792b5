"""The algorithm. No disk, terminal or clock."""
