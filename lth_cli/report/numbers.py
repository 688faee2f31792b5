"""Numbers as text."""


def density(value: float) -> str:
    """Four decimals, or as many as it takes to see something."""
    return f"{value:.4f}" if value >= 0.001 else f"{value:.1e}"
