"""The first lines of a bill do not show a sum of a part as the sum of the whole."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.command import breakeven
from tests.support.traffic.usage_exports import table

ROW = {"day": "2026-11-01", "requests": 10, "input_tokens": 2_000_000, "output_tokens": 500_000}


@pytest.mark.parametrize(
    ("models", "text"),
    [
        (["gpt-4.1"], "total       8.00 $ at list prices; the source records no cost"),
        (["gpt-4.1", "own"], "8.00 $ at list prices; 1 row has no list price; the source"),
        (["own"], "total       no list price; the source records no cost"),
    ],
)
def test_a_total_says_what_it_lacks(tmp_path: Path, models: list[str], text: str) -> None:
    rows: list[dict[str, Any]] = [{**ROW, "model": model} for model in models]
    assert text in breakeven("bill", str(table(tmp_path, *rows))).stdout
