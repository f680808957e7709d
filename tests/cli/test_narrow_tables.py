"""Tables of workloads show their figures in full in a terminal of 80 columns."""

from pathlib import Path

from tests.support.command import breakeven
from tests.support.traffic.usage_exports import table

NAME = "gpt-5-mini-2025-08-07-in-a-project"


def test_long_names_of_workloads_are_wrapped_and_figures_are_not(tmp_path: Path) -> None:
    rows = [
        {"day": f"2026-11-{day + 1:02}", "model": NAME, "requests": 100, "input_tokens": 123400,
         "output_tokens": 5000}
        for day in range(28)
    ]  # fmt: skip
    result = breakeven("traffic", "fit", str(table(tmp_path, *rows)))
    assert "1,234" in result.stdout
    assert "…" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
