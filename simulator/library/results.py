"""Results: documents with tables, files, and HTML for notebooks."""

from collections.abc import Callable, Mapping, Sequence
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
from simulator.report.documents.contract import (
    BreakEvenSection,
    OptionsDocument,
    ResultDocument,
)
from simulator.report.documents.tidy import Row, csv_text, flat, option_rows

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from simulator.analysis.bench.benchmark import Benchmark
    from simulator.analysis.bench.calibration import Calibration
    from simulator.analysis.decide.verdict import Verdict
    from simulator.library.sweep import PointResult
    from simulator.scenario.tables.usage import Priced


@dataclass(frozen=True, slots=True)
class Result:
    """A result document and its rows; subclasses define how they are shown and saved."""

    document: Mapping[str, Any]
    """The document that the command prints with ``--output json``."""
    rows: Sequence[Row] = field(repr=False)
    """The rows that the command prints with ``--output csv``."""
    printer: "Callable[[Console], None] | None" = field(default=None, repr=False, kw_only=True)
    """Function that prints the result as tables and text; None: there is nothing to print."""
    notes: tuple[str, ...] = field(default=(), repr=False, kw_only=True)
    """Remarks on how the result was made, such as what was skipped, one line each."""

    def to_dict(self) -> Mapping[str, Any]:
        """Return the document."""
        return self.document

    def to_json(self) -> str:
        """Return the document as JSON text."""
        return json_text(self.document) + "\n"

    def to_csv(self) -> str:
        """Return the rows as CSV text; nested values are flattened."""
        return csv_text([flat(row) for row in self.rows])

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
        return {"result.json": self.to_json(), "result.csv": csv_text(self.rows)}

    def _repr_html_(self) -> str:
        # HTML and plots are slow to import, and most commands do not need them.
        from simulator.report.html import render_rows

        return render_rows(self.rows)


@dataclass(frozen=True, slots=True)
class SimulationResult(Result):
    """The options of a scenario, simulated exactly as written."""

    document: OptionsDocument

    @staticmethod
    def of(document: OptionsDocument) -> "SimulationResult":
        """Build the result of a document with options."""
        from simulator.report.terminal.verdict import print_simulation

        printer = partial(print_simulation, document)
        return SimulationResult(document, option_rows(document), printer=printer)

    def _repr_html_(self) -> str:
        from simulator.report.html import render_fragment

        return render_fragment(self.document)


def drawn_files(document: ResultDocument) -> dict[str, str]:
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

    document: ResultDocument
    verdict: "Verdict" = field(repr=False)
    resolved_yaml: str = field(repr=False)
    """The scenario with every default written out."""

    @property
    def break_even(self) -> BreakEvenSection | None:
        """Where self-hosting alone beats the cheapest API alone; None unless both are options."""
        return self.document["break_even"]

    def files(self) -> dict[str, str]:
        """Return report, document, tables, plots and resolved scenario as texts by file name."""
        return {
            **drawn_files(self.document),
            "result.json": self.to_json(),
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
        from simulator.report.terminal.sweep import print_sweep

        points = [{"coordinates": r.point.coordinates, **r.document} for r in results]
        document = {"points": points}
        printer = partial(print_sweep, document)
        return SweepResult(document, list(tidy_rows(results)), printer=printer)

    def files(self) -> dict[str, str]:
        """Return the tidy table and the document as texts by file name."""
        return {
            "sweep.json": self.to_json(),
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
class CalibrationResult(Result):
    """Speed of a deployment, fitted to its own benchmarks."""

    calibration: "Calibration" = field(repr=False)
    text: str = field(repr=False)
    """Content of a calibration file, for ``calibration`` of an option in a scenario."""

    def save_calibration(self, target: str | Path) -> None:
        """Write the calibration file."""
        path = Path(target)
        write_files(path.parent, {path.name: self.text})


@dataclass(frozen=True, slots=True)
class PricedFile(Result):
    """Counts of a usage file that was priced row by row into another file."""

    @staticmethod
    def of(total: int, failed: int, bounded: int, notes: Sequence[str]) -> "PricedFile":
        """Build the result from the numbers of all rows, of those without a price, and with bounds.

        Rows with bounds are sums of calls whose cost is not known exactly.
        """
        counts = {"rows": total, "failed": failed, "bounded": bounded}
        return PricedFile(counts, [counts], notes=tuple(notes))


@dataclass(frozen=True, slots=True)
class UsageResult(Result):
    """Priced usage rows."""

    cost_usd: NDArray[np.float64] = field(repr=False)
    """Cost of each row, NaN if it is not known exactly. (n_rows,)"""
    low_usd: NDArray[np.float64] = field(repr=False)
    """Lower bound of the cost of each row, NaN if it cannot be priced. (n_rows,)"""
    high_usd: NDArray[np.float64] = field(repr=False)
    """Upper bound of the cost of each row, NaN if it cannot be priced. (n_rows,)"""
    depends_on: list[str] = field(repr=False)
    """What decides between different bounds, else an empty text. (n_rows,)"""
    errors: list[str] = field(repr=False)
    """Reason why a row cannot be priced, else an empty text. (n_rows,)"""

    @staticmethod
    def of(columns: Mapping[str, Any], priced: "Priced") -> "UsageResult":
        """Build the rows with the columns that pricing adds."""
        table = {name: columns[name] for name in columns if name not in priced.added}
        table |= priced.columns()
        rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
        costs, errors = priced.costs, priced.errors
        document: dict[str, Any] = {
            "rows": rows,
            "cost_usd": float(np.nansum(costs.cost_usd)),
            "failed": sum(1 for error in errors if error),
        }
        if "cost_low_usd" in priced.added:
            document["cost_low_usd"] = float(np.nansum(costs.low_usd))
            document["cost_high_usd"] = float(np.nansum(costs.high_usd))
        depends_on = [costs.depends_on.get(row, "") for row in range(len(rows))]
        return UsageResult(
            document, rows, costs.cost_usd, costs.low_usd, costs.high_usd, depends_on, errors
        )
