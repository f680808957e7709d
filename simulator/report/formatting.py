"""Formatting of amounts, counts, latencies and shares for readers."""

from simulator.units import DAY_S, HOUR_S, MINUTE_S


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


def digits(value: float | None, count: int = 6, sign: str = "") -> str:
    """Format a number with up to ``count`` significant digits; ``sign`` is that of a format."""
    return "-" if value is None else f"{value:{sign}.{count}g}"


def tokens(value: int | None) -> str:
    """Format a length in tokens, from ten thousand on in thousands."""
    if value is None:
        return "-"
    return f"{value:,}" if value < 10_000 else f"{value / 1000:,.0f}K"


def duration(span_s: float) -> str:
    """Format a time span in the largest unit of which it has at least two."""
    for unit, length_s in (("d", DAY_S), ("h", HOUR_S), ("min", MINUTE_S)):
        if span_s >= 2 * length_s:
            return f"{span_s / length_s:.1f} {unit}"
    return f"{span_s:.1f} s"


def counted(count: int, noun: str) -> str:
    """Format a number of things, whose noun takes an s in the plural."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
