"""Results: documents with tables, files, and HTML for notebooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulator.files.jsontext import json_text
from simulator.files.names import file_name
from simulator.files.optional import is_installed, missing_package
from simulator.files.writing import Writer, write_files
from simulator.report.documents.tidy import Row, csv_text, option_rows

if TYPE_CHECKING:
    import pandas as pd

    from simulator.analysis.bench.benchmark import Benchmark
    from simulator.analysis.decide.verdict import Verdict
    from simulator.library.sweep import PointResult


@dataclass(frozen=True, slots=True)
class Result:
    """A result document and its rows; subclasses define how they are shown and saved."""

    document: dict[str, Any]
    """The document that the command prints with ``--output json``."""
    rows: Sequence[Row] = field(repr=False)
    """The rows that the command prints with ``--output csv``."""

    def to_dict(self) -> dict[str, Any]:
        """Return the document."""
        return self.document

    def to_dataframe(self) -> "pd.DataFrame":
        """Return the rows as a pandas table.

        Raises
        ------
        InputError
            If pandas is missing.
        """
        if not is_installed("pandas"):
            raise missing_package("pandas", "a data frame")
        import pandas as pd

        return pd.DataFrame(self.rows)

    def save(self, folder: str | Path) -> None:
        """Write all files of the result to a folder, which is created if it is missing."""
        write_files(Path(folder), self.files())

    def files(self) -> dict[str, str]:
        """Return the document and its rows as texts by file name."""
        return {"result.json": json_text(self.document) + "\n", "result.csv": csv_text(self.rows)}

    def _repr_html_(self) -> str:
        # HTML and plots are slow to import, and most commands do not need them.
        from simulator.report.html import render_rows

        return render_rows(self.rows)


@dataclass(frozen=True, slots=True)
class SimulationResult(Result):
    """The options of a scenario, simulated exactly as written."""

    @staticmethod
    def of(document: dict[str, Any]) -> "SimulationResult":
        """Build the result of a document with options."""
        return SimulationResult(document, option_rows(document))

    def _repr_html_(self) -> str:
        from simulator.report.html import render_fragment

        return render_fragment(self.document)


def drawn_files(document: dict[str, Any]) -> dict[str, str]:
    """Return report, tables and plots of a verdict's document as texts by file name."""
    from simulator.report.charts.plots import plots_of, svg_text
    from simulator.report.documents.focus import focus_rows
    from simulator.report.html import render_report

    plots = plots_of(document)
    drawings = {
        f"plots/{file_name(name)}.svg": svg_text(ax, transparent=False)
        for name, (_, ax) in plots.items()
    }
    return {
        "report.html": render_report(document, plots),
        "options.csv": csv_text(option_rows(document)),
        "focus.csv": csv_text(focus_rows(document)),
        **drawings,
    }


@dataclass(frozen=True, slots=True)
class VerdictResult(Result):
    """The verdict on a scenario."""

    verdict: "Verdict" = field(repr=False)
    resolved_yaml: str = field(repr=False)
    """The scenario with every default written out."""

    @property
    def break_even(self) -> dict[str, Any] | None:
        """Where self-hosting alone beats the cheapest API alone; None unless both are options."""
        break_even: dict[str, Any] | None = self.document["break_even"]
        return break_even

    def files(self) -> dict[str, str]:
        """Return report, document, tables, plots and resolved scenario as texts by file name."""
        return {
            **drawn_files(self.document),
            "result.json": json_text(self.document) + "\n",
            "scenario.resolved.yaml": self.resolved_yaml,
        }

    def save(self, folder: str | Path) -> None:
        """Write all files, and the winner's ledger if pyarrow is installed."""
        files: dict[str, str | Writer] = {**self.files()}
        if is_installed("pyarrow"):
            from simulator.report.documents.ledger import write_ledger

            files["ledger.parquet"] = partial(write_ledger, self.verdict)
        write_files(Path(folder), files)

    def _repr_html_(self) -> str:
        from simulator.report.html import render_fragment

        return render_fragment(self.document)


@dataclass(frozen=True, slots=True)
class SweepResult(Result):
    """The results of all points of a sweep."""

    @staticmethod
    def of(results: "list[PointResult]") -> "SweepResult":
        """Build the result of all points, in their order."""
        from simulator.library.sweep import tidy_rows

        points = [{"coordinates": r.point.coordinates, **r.document} for r in results]
        return SweepResult({"points": points}, list(tidy_rows(results)))

    def files(self) -> dict[str, str]:
        """Return the tidy table and the document as texts by file name."""
        return {
            "sweep.json": json_text(self.document) + "\n",
            "sweep.csv": csv_text(self.rows),
        }

    def save(self, folder: str | Path) -> None:
        """Write all files, and the table as Parquet if pyarrow is installed."""
        files: dict[str, str | Writer] = {**self.files()}
        if is_installed("pyarrow"):
            from simulator.report.documents.tidy import write_parquet

            files["sweep.parquet"] = partial(write_parquet, self.rows)
        write_files(Path(folder), files)


@dataclass(frozen=True, slots=True)
class BenchmarkResult(Result):
    """A predicted benchmark; its document has the names of ``vllm bench serve``."""

    benchmark: "Benchmark" = field(repr=False)
    label: str
    """Name of the deployment."""


@dataclass(frozen=True, slots=True)
class UsageResult(Result):
    """Priced usage rows."""

    cost_usd: NDArray[np.float64] = field(repr=False)
    """Cost of each row, NaN if it cannot be priced. (n_rows,)"""
    errors: list[str] = field(repr=False)
    """Reason why a row cannot be priced, else an empty text. (n_rows,)"""

    @staticmethod
    def of(
        columns: Mapping[str, Any], cost_usd: NDArray[np.float64], errors: list[str]
    ) -> "UsageResult":
        """Build the rows with the further columns ``cost_usd`` and ``error``."""
        rows = [
            {**{name: columns[name][k] for name in columns},
             "cost_usd": None if error else cost, "error": error}
            for k, (cost, error) in enumerate(zip(cost_usd.tolist(), errors, strict=True))
        ]  # fmt: skip
        priced = [row["cost_usd"] for row in rows if not row["error"]]
        document = {"rows": rows, "cost_usd": sum(priced), "failed": len(rows) - len(priced)}
        return UsageResult(document, rows, cost_usd, errors)
