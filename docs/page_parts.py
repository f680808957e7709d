"""Pieces of generated pages: their hand-written beginnings, and tables."""

from collections.abc import Iterable, Sequence
from pathlib import Path

FOLDER = Path(__file__).parent


def introduction(name: str) -> str:
    """Return the hand-written beginning of a page."""
    return (FOLDER / f"{name}_intro.md").read_text(encoding="utf-8").rstrip()


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(_cell, cells)) + " |" for cells in lines)


def _cell(text: str) -> str:
    """Text of one line; RST's double backticks are Markdown's single ones."""
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")
