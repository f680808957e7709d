"""The style of all terminal tables: no rules, columns separated by spaces."""

from rich.table import Table


def plain_table(gap: int = 2) -> Table:
    """Return an empty table whose columns are ``gap`` spaces apart."""
    return Table(box=None, pad_edge=False, padding=(0, gap, 0, 0))
