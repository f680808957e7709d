"""Predictions under live load: open loops by regime, logged requests, and KV blocks."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
from points import Measured

from simulator.analysis.bench.benchmark import replay
from simulator.scenario.bench.benchmark import named_deployment

SATURATED = 0.97
"""Share of the greatest throughput of a deployment from which on it is saturated."""
NEAR = 0.7
"""Share from which on a load is near saturation."""


def regimes(points: list[Measured], errors: np.ndarray) -> dict[str, np.ndarray]:
    """Errors of open loops by how busy the measured server was. (n, 3) each

    The capacity of a deployment is the greatest output that its source measured.
    """
    groups = defaultdict(list)
    for place, m in enumerate(points):
        if m.row["load_kind"] == "request-rate" and m.requests is None and m.is_fitted:
            groups[m.deployment, m.row["source"]].append(place)
    found: dict[str, list[int]] = {"below saturation": [], "near it": [], "above it": []}
    for places in groups.values():
        most = max(points[i].output_tok_s for i in places)
        for i in places:
            asked = points[i].point.load.value * points[i].point.load.output_tok
            share = asked / most
            regime = "below saturation" if share < NEAR else "near it"
            found["above it" if share > 1 else regime].append(i)
    return {name: errors[places] for name, places in found.items() if places}


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
    """Return KV blocks of a table of vLLM's logs: deployment, predicted, logged."""
    rows = []
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            found, _ = named_deployment(
                row["model"],
                row["gpu"],
                gpus=int(row["n_gpus"]),
                tensor=int(row["tp"]),
                weight_precision=row["weight_precision"],
                kv_precision=row["kv_precision"],
            )
            kv = found.kv(float(row["gpu_memory_utilization"]), int(row["block_tokens"]))
            rows.append((found.label, kv.blocks, int(row["blocks"])))
    return rows
