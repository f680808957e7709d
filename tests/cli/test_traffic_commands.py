"""Tables of workloads at 80 columns, and traffic by means on the command line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from simulator.cli.app import app
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


def test_a_shared_prompt_below_a_token_is_taken_for_no_share(tmp_path: Path) -> None:
    target = tmp_path / "s.yaml"
    result = breakeven(
        "new", str(target), "--input-tokens", "2200", "--output-tokens", "280",
        "--shared-prompt", "0.6",
    )  # fmt: skip
    assert result.returncode == 2
    assert "such as 60%" in result.stderr
    assert not target.exists()


def test_texts_of_commands_fit_into_80_columns() -> None:
    for command in _commands(get_command(app)):
        lines = (command.help or "").splitlines()[1:]
        assert max(map(len, lines), default=0) <= 78, command.name


def _commands(command: Any) -> Iterator[Any]:
    yield command
    for inner in getattr(command, "commands", {}).values():
        yield from _commands(inner)
