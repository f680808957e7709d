"""Results that are a few facts: of a checked scenario, and of a log's reuse by a cache."""

from typing import Any

from rich.console import Console

from simulator.report.terminal.traffic_summary import print_traffic


def print_validity(counts: dict[str, Any], console: Console) -> None:
    """Print the size of a valid scenario in one line, and what its traffic amounts to."""
    contents = [f"{counts['options']} options"]
    if counts["overrides"]:
        contents.append(f"{counts['overrides']} override{'s' if counts['overrides'] > 1 else ''}")
    if counts["sweep_points"]:
        contents.append(f"a sweep of {counts['sweep_points']} points")
    text = f"{counts['scenario']}: valid, {', '.join(contents)}"
    console.print(text, markup=False, soft_wrap=True)
    console.print()
    print_traffic(counts["traffic"], console)


def print_reuse(document: dict[str, float], console: Console) -> None:
    """Print how much of a log's prompts a cache serves."""
    for name, value in document.items():
        text = f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
        console.print(f"{name:24}{text}", markup=False, soft_wrap=True)
