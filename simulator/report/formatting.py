"""Formatting of amounts, counts, latencies and shares for readers."""


def usd(value: float | None) -> str:
    """Format an amount of USD without decimals."""
    return "-" if value is None else f"{value:,.0f}"


def quantity(value: float | None) -> str:
    """Format a count with three digits and a letter for its magnitude (k, M, B)."""
    if value is None:
        return "-"
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def seconds(value: float | None) -> str:
    """Format a latency in milliseconds, or in seconds from one second on."""
    if value is None:
        return "-"
    return f"{value * 1e3:.0f} ms" if value < 1 else f"{value:.2f} s"


def share(value: float | None) -> str:
    """Format a share as a whole percentage."""
    return "-" if value is None else f"{value:.0%}".replace("-0%", "0%")
