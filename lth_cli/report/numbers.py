"""Numbers as text."""


def density(value: float) -> str:
    """Four decimals, or as many as it takes to see something."""
    return f"{value:.4f}" if value >= 0.001 else f"{value:.1e}"


def points(value: float | None, margin: float | None, digits: int = 2) -> str:
    """A difference, and half of its interval, where there are any."""
    if value is None:
        return ""
    value = round(value, digits) + 0.0  # no minus before a zero
    return f"{value:+.{digits}f}" if margin is None else f"{value:+.{digits}f} ± {margin:.{digits}f}"
