"""The style of all terminal tables: no rules, columns separated by spaces."""

from collections.abc import Iterable

from rich.table import Table


def plain_table(gap: int = 2) -> Table:
    """Return an empty table whose columns are ``gap`` spaces apart."""
    return Table(box=None, pad_edge=False, padding=(0, gap, 0, 0))


def add_figures(table: Table, headings: Iterable[str]) -> None:
    """Add columns of figures, which are aligned to the right and never wrapped."""
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
