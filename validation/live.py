"""Predictions under live load: open loops by regime, logged requests, and KV blocks."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from points import Measured

from simulator.analysis.bench.benchmark import replay
from simulator.scenario.bench.benchmark import named_deployment

SATURATED = 0.97
"""Share of a deployment's largest throughput from which it is saturated."""
NEAR = 0.7
"""Share of a deployment's largest throughput from which a load is near saturation."""


def regimes(points: list[Measured], errors: np.ndarray) -> dict[str, np.ndarray]:
    """Return the errors of open loops by the load of the measured server. (n, 3) each

    The capacity of a deployment is the largest output throughput that its source measured.
    """
    groups = defaultdict(list)
    for index, m in enumerate(points):
        if m.row["load_kind"] == "request-rate" and m.requests is None and m.is_fitted:
            groups[m.deployment, m.row["source"]].append(index)
    by_regime: dict[str, list[int]] = {"below saturation": [], "near it": [], "above it": []}
    for indices in groups.values():
        largest_tok_s = max(points[i].output_tok_s for i in indices)
        for i in indices:
            offered_tok_s = points[i].point.load.value * points[i].point.load.output_tok
            share = offered_tok_s / largest_tok_s
            regime = "below saturation" if share < NEAR else "near it"
            by_regime["above it" if share > 1 else regime].append(i)
    return {name: errors[indices] for name, indices in by_regime.items() if indices}


def logged(points: list[Measured]) -> list[tuple[str, dict[str, tuple[float, float]]]]:
    """Return mean E2E, TPOT and TTFT of logged runs, predicted and measured [s]."""
    rows = []
    for m in points:
        if m.requests is None:
            continue
        b = replay(m.point.deployment, m.requests, m.point.serving)
        e2e_s = float(m.requests.output_tokens.mean()) / m.output_tok_s
        rows.append(
            (
                f"{m.point.deployment.label}, {len(b.e2e_s)} requests",
                {
                    "E2E": (float(b.e2e_s.mean()), e2e_s),
                    "TPOT": (float(b.tpot_s.mean()), m.tpot_s),
                    "TTFT": (float(b.ttft_s.mean()), m.ttft_s),
                },
            )
        )
    return rows


def kv_blocks(path: Path) -> list[tuple[str, int, int]]:
    """Return the KV blocks in a table of vLLM's logs: deployment, predicted, logged."""
    rows = []
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            deployment, _ = named_deployment(
                row["model"],
                row["gpu"],
                gpus=int(row["n_gpus"]),
                tensor=int(row["tp"]),
                weight_precision=row["weight_precision"],
                kv_precision=row["kv_precision"],
            )
            kv = deployment.kv(float(row["gpu_memory_utilization"]), int(row["block_tokens"]))
            rows.append((deployment.label, kv.blocks, int(row["blocks"])))
    return rows
