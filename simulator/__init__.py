"""breakeven: LLM inference by the token or on own hardware, simulated on the same requests.

This package has the functions for scripts and notebooks. Their results have ``to_dict()``,
``to_dataframe()`` and ``save()``, and a display in notebooks. Plots are in
``simulator.report.charts.plots``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.library.calls import (
        changed,
        find_break_even,
        load_scenario,
        predict_benchmark,
        price_usage,
        simulate,
        sweep,
    )

__all__ = [
    "changed",
    "find_break_even",
    "load_scenario",
    "predict_benchmark",
    "price_usage",
    "simulate",
    "sweep",
]


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that importing the package is cheap."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from simulator.library import calls

    return getattr(calls, name)
