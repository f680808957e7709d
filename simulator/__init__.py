"""breakeven: LLM inference by the token or on own hardware, simulated on the same requests.

This package has the functions for scripts and notebooks; every command calls one of them. Their
results have ``to_dict()``, ``to_dataframe()`` and ``save()``, and a display in notebooks. Plots are
in ``simulator.report.charts.plots``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.library.benchmarks import calibrate, predict_benchmark, predict_benchmarks
    from simulator.library.decisions import find_break_even, redraw_report
    from simulator.library.logs import convert_log, generate_log, log_statistics, measure_reuse
    from simulator.library.price_feeds import check_prices, diff_prices, import_prices
    from simulator.library.prices import (
        find_offers,
        list_offers,
        price_usage,
        price_usage_file,
        show_offer,
    )
    from simulator.library.profiles import (
        list_accelerators,
        list_models,
        show_accelerator,
        show_model,
    )
    from simulator.library.quality import agent_chain, compare_models, model_quality
    from simulator.library.scenarios import (
        changed,
        load_scenario,
        new_scenario,
        scenario_schema,
        validate_scenario,
    )
    from simulator.library.simulations import (
        explain,
        find_capacity,
        simulate,
        simulate_to_precision,
    )
    from simulator.library.sweep import sweep

__all__ = [
    "agent_chain",
    "calibrate",
    "changed",
    "check_prices",
    "compare_models",
    "convert_log",
    "diff_prices",
    "explain",
    "find_break_even",
    "find_capacity",
    "find_offers",
    "generate_log",
    "import_prices",
    "list_accelerators",
    "list_models",
    "list_offers",
    "load_scenario",
    "log_statistics",
    "measure_reuse",
    "model_quality",
    "new_scenario",
    "predict_benchmark",
    "predict_benchmarks",
    "price_usage",
    "price_usage_file",
    "redraw_report",
    "scenario_schema",
    "show_accelerator",
    "show_model",
    "show_offer",
    "simulate",
    "simulate_to_precision",
    "sweep",
    "validate_scenario",
]

_MODULES = {
    "benchmarks": ("calibrate", "predict_benchmark", "predict_benchmarks"),
    "decisions": ("find_break_even", "redraw_report"),
    "logs": ("convert_log", "generate_log", "log_statistics", "measure_reuse"),
    "price_feeds": ("check_prices", "diff_prices", "import_prices"),
    "prices": ("find_offers", "list_offers", "price_usage", "price_usage_file", "show_offer"),
    "profiles": ("list_accelerators", "list_models", "show_accelerator", "show_model"),
    "quality": ("agent_chain", "compare_models", "model_quality"),
    "scenarios": (
        "changed",
        "load_scenario",
        "new_scenario",
        "scenario_schema",
        "validate_scenario",
    ),
    "simulations": ("explain", "find_capacity", "simulate", "simulate_to_precision"),
    "sweep": ("sweep",),
}
"""Public names by the module of ``simulator.library`` that defines them."""


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that importing the package is cheap."""
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(f"simulator.library.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
