"""The one style of tables on the terminal: no lines, columns apart."""

from rich.table import Table


def plain_table(gap: int = 2) -> Table:
    """Return an empty table whose columns stand some spaces apart."""
    return Table(box=None, pad_edge=False, padding=(0, gap, 0, 0))
