"""Documents and tables of ``bench`` and ``calibrate``, with the names of ``vllm bench serve``."""

import math
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from simulator.analysis.bench.benchmark import Benchmark
from simulator.analysis.bench.calibration import Calibration
from simulator.report.text_tables import add_figures, plain_table

LATENCIES = {
    "ttft": "Time to First Token",
    "tpot": "Time per Output Token (excl. 1st token)",
    "itl": "Inter-token Latency",
    "e2el": "End-to-end Latency",
}
WIDTH = 50


def benchmark_document(b: Benchmark, band: tuple[float, float]) -> dict[str, Any]:
    """Return a benchmark as plain values; latencies in milliseconds, null where none is known."""
    document: dict[str, Any] = {
        "completed": len(b.ttft_s),
        "duration": b.duration_s,
        "total_input_tokens": b.prompt_tok,
        "total_output_tokens": b.output_tok,
        "request_throughput": b.request_s,
        "output_throughput": b.output_tok_s,
        "total_token_throughput": b.total_tok_s,
        "output_throughput_low": b.output_tok_s * band[0],
        "output_throughput_high": b.output_tok_s * band[1],
        "mean_itl_ms": None if math.isnan(b.itl_mean_s) else b.itl_mean_s * 1e3,
        "preemptions": b.preemptions,
    }
    for name, values_s in (("ttft", b.ttft_s), ("tpot", b.tpot_s), ("e2el", b.e2e_s)):
        figures = _mean_and_percentiles(values_s)
        document |= {f"{kind}_{name}_ms": figures.get(kind) for kind in ("mean", "median", "p99")}
    return document


def _mean_and_percentiles(values_s: np.ndarray) -> dict[str, float]:
    if values_s.size == 0:
        return {}
    return {
        "mean": float(values_s.mean()) * 1e3,
        "median": float(np.median(values_s)) * 1e3,
        "p99": float(np.quantile(values_s, 0.99)) * 1e3,
    }


def print_benchmark(label: str, document: dict[str, Any], console: Console) -> None:
    """Print a benchmark in the layout of ``vllm bench serve``."""
    console.print(f"Predicted: {label}", style="bold", markup=False)
    console.print(" Serving Benchmark Result ".center(WIDTH, "="))
    rows = (
        ("Successful requests:", f"{document['completed']}"),
        ("Benchmark duration (s):", f"{document['duration']:.2f}"),
        ("Total input tokens:", f"{document['total_input_tokens']}"),
        ("Total generated tokens:", f"{document['total_output_tokens']}"),
        ("Request throughput (req/s):", f"{document['request_throughput']:.2f}"),
        ("Output token throughput (tok/s):", f"{document['output_throughput']:.2f}"),
        ("Total token throughput (tok/s):", f"{document['total_token_throughput']:.2f}"),
    )
    for name, value in rows:
        console.print(f"{name:<40}{value:<10}".rstrip())
    for short, heading in LATENCIES.items():
        console.print(heading.center(WIDTH, "-"))
        for kind in ("mean", "median", "p99"):
            if f"{kind}_{short}_ms" not in document:
                continue  # only the mean of gaps between tokens is known
            value = document[f"{kind}_{short}_ms"]
            name = f"{'P99' if kind == 'p99' else kind.capitalize()} {short.upper()} (ms):"
            console.print(f"{name:<40}{'-' if value is None else f'{value:.2f}'}")
    console.print("=" * WIDTH)
    console.print(
        f"Nine in ten deployments measure {document['output_throughput_low']:,.0f} to "
        f"{document['output_throughput_high']:,.0f} output tok/s."
    )


def calibration_document(calibration: Calibration, shipped: tuple[float, float]) -> dict[str, Any]:
    """Return a calibration as plain values, with the shipped band that it replaces."""
    errors = calibration.errors
    measured = np.isfinite(errors).any(axis=0)
    medians = np.full(3, np.nan)
    medians[measured] = np.nanmedian(np.abs(errors[:, measured]), axis=0)
    return {
        "points": len(errors),
        "factors": calibration.factors,
        "kept_at_prior": list(calibration.kept),
        "doubtful": list(calibration.doubtful),
        "band": list(calibration.band),
        "shipped_band": list(shipped),
        "median_error": {
            name: None if np.isnan(value) else float(value)
            for name, value in zip(("throughput", "tpot", "ttft"), medians, strict=True)
        },
    }


def print_calibration(document: dict[str, Any], console: Console) -> None:
    """Print the fitted factors, the residual error and the error band."""
    for name, value in document["factors"].items():
        note = (
            "  (not determined by the data; prior kept)"
            if name in document["kept_at_prior"]
            else ""
        )
        if name in document["doubtful"]:
            note = (
                "  (implausible; does it include a proxy?)"
                if value > 1
                else "  (implausible; more GPUs, or a smaller model?)"
            )
        console.print(f"{name:<12}{value:6.2f} x shipped time{note}")
    residuals = ", ".join(
        f"{name} {value:.1%}"
        for name, value in document["median_error"].items()
        if value is not None
    )
    low, high = document["band"]
    console.print(f"median residual error over {document['points']} points: {residuals}")
    shipped = "{:+.0%} to {:+.0%}".format(*(end - 1 for end in document["shipped_band"]))
    console.print(f"error band of throughput: {low - 1:+.0%} to {high - 1:+.0%}, was {shipped}")


def print_points(points: list[dict[str, str]], console: Console) -> None:
    """Print the predicted figures of each point."""
    table = plain_table()
    for heading in ("deployment", "load"):
        table.add_column(heading, overflow="fold")
    add_figures(table, ("output tok/s", "TTFT ms", "TPOT ms"))
    for p in points:
        deployed = f"{p['n_gpus']}x{p['gpu']} {p['model']} {p['engine']}"
        load = f"{p['isl']}/{p['osl']} {p['load_kind']} {p['load_value']}"
        figures = [
            f"{float(text) * scale:,.{digits}f}" if text else "-"
            for text, scale, digits in (
                (p["pred_output_tok_s"], 1, 0),
                (p["pred_ttft_mean_s"], 1e3, 0),
                (p["pred_tpot_mean_s"], 1e3, 2),
            )
        ]
        if p["pred_status"] != "ok":
            figures[0] = p["pred_status"]
        table.add_row(escape(deployed), escape(load), *figures)
    console.print(table)
