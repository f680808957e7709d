"""Evaluation tables for tests."""

from pathlib import Path

import numpy as np

from simulator.analysis.quality.difficulty import DEFAULT_CORRELATION, succeeds
from simulator.analysis.quality.quality import TaskRuns
from simulator.rng import stream

HEADER = "task,model,success,input_tokens,output_tokens"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def logs(size: int = 400, correlation: float = DEFAULT_CORRELATION, seed: int = 2) -> TaskRuns:
    """Runs of a cheap and a dear model at the same tasks; what is hard is dear for both."""
    rng = stream(seed, "logs")
    difficulty = rng.random(size)
    columns: dict[str, list[np.ndarray]] = {}
    for k, (rate, usd) in enumerate(((0.6, 0.01), (0.706, 0.08))):
        each = {
            "model": np.full(size, k),
            "task": np.arange(size),
            "success": succeeds(difficulty, rng.random(size), rate, correlation),
            "input_tok": np.full(size, 1000.0),
            "output_tok": np.full(size, 100.0 * (k + 1)),
            "reasoning_tok": np.full(size, np.nan),
            "cached_tok": np.full(size, np.nan),
            "attempts": np.ones(size),
            "seconds": np.full(size, 2.0),
            "usd": usd * (0.5 + difficulty) * rng.lognormal(0, 0.3, size),
        }
        for name, values in each.items():
            columns.setdefault(name, []).append(values)
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    return TaskRuns(("cheap", "dear"), tuple(f"t{k}" for k in range(size)), **joined)
