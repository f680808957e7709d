"""breakeven: LLM inference by the token or on own hardware, simulated on the same requests."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.analysis.verdict import decide, simulate_as_written
    from simulator.report.document import verdict_document
    from simulator.scenario.benchmark import predict_benchmark
    from simulator.scenario.build import load_study
    from simulator.scenario.usage import price_usage

__all__ = [
    "decide",
    "load_study",
    "predict_benchmark",
    "price_usage",
    "simulate_as_written",
    "verdict_document",
]

_HOMES = {
    "decide": "simulator.analysis.verdict",
    "simulate_as_written": "simulator.analysis.verdict",
    "verdict_document": "simulator.report.document",
    "load_study": "simulator.scenario.build",
    "predict_benchmark": "simulator.scenario.benchmark",
    "price_usage": "simulator.scenario.usage",
}


def __getattr__(name: str) -> Any:
    """Import public names where they are used, so that importing the package is cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
