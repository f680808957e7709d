"""The functions of the package: each takes a scenario, or names, and returns a result."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from simulator.errors import InputError
from simulator.library.results import (
    BenchmarkResult,
    SimulationResult,
    SweepResult,
    UsageResult,
    VerdictResult,
)
from simulator.scenario.building.study import Loaded, load, load_document
from simulator.scenario.document.document import with_values

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from simulator.analysis.bench.benchmark import LoadKind, Serving
    from simulator.library.workers import Tell
    from simulator.scenario.bench.benchmark import Deployed

Named = str | Path | Loaded
"""A scenario, or its file, or the name of a shipped one."""


def load_scenario(
    name: str | Path,
    values: Mapping[str, Any] | None = None,
    *,
    overrides: Sequence[str] = (),
    seed: int | None = None,
) -> Loaded:
    """Read a scenario.

    Parameters
    ----------
    name : str or Path
        File, or the name of a shipped scenario.
    values : dict, optional
        Other values by dotted path, as ``--set`` takes them, units included.
    overrides : sequence of str
        Names of the scenario's overrides, applied before ``values``.
    seed : int, optional
        Replaces the scenario's seed.

    Raises
    ------
    InputError
        With file, line and column of the first problem.
    """
    found = load(name, overrides, seed)
    return changed(found, values) if values else found


def changed(scenario: Named, values: Mapping[str, Any]) -> Loaded:
    """Return a scenario with other values at some paths."""
    document = _scenario(scenario).variations.document
    return load_document(with_values(document, values, "values: {}".format))


def simulate(scenario: Named) -> SimulationResult:
    """Simulate the options of a scenario exactly as written, with no search.

    Raises
    ------
    InputError
        When a size is left to be found.
    """
    from simulator.analysis.decide.verdict import simulate_as_written
    from simulator.report.documents.document import simulation_document

    study = _scenario(scenario).study
    return SimulationResult.of(simulation_document(simulate_as_written(study), study))


def find_break_even(
    scenario: Named,
    axis: str | None = None,
    between: tuple[float, float] | None = None,
    *,
    fast: bool = False,
    effort: int | None = None,
    within_s: float | None = None,
    whole: bool = False,
    views: bool = True,
    executor: "Executor | None" = None,
) -> VerdictResult:
    """Give the verdict on a scenario: options at their best size, break-even, drivers, flips.

    Parameters
    ----------
    scenario : Loaded, str or Path
        What is asked.
    axis, between : str and pair of numbers, optional
        Look for the break-even along this number of the scenario, between these values; default:
        along the volume.
    fast : bool
        Answer roughly: with effort 3.
    effort : int, optional
        From 1, the least, to 5, all that the scenario says and the default.
    within_s : float, optional
        Answer with as much effort as this time allows, beginning with the least [s]. The document
        says which it was; with that effort the answer is the same, byte for byte.
    whole : bool
        Sample nothing: simulate the whole horizon, however long that takes.
    views : bool
        Also simulate what the report shows beside the verdict: timelines, and the map of volumes
        and cached shares.
    executor : Executor, optional
        Works on parts in parallel; the answer does not depend on it.

    Raises
    ------
    InfeasibleError
        When no option meets the latency targets.
    InputError
        When the axis is no number of the scenario.
    """
    from simulator.analysis.decide.anytime import best_within
    from simulator.analysis.decide.verdict import Verdict, decide
    from simulator.analysis.study.effort import (
        FAST,
        LEVELS,
        axis_with_effort_level,
        whole_horizon,
        with_effort_level,
    )
    from simulator.analysis.views.report_views import simulate_views as shown
    from simulator.report.documents.document import verdict_document
    from simulator.report.documents.tidy import option_rows
    from simulator.scenario.resolve.load import resolved_yaml
    from simulator.scenario.variations.axis import Along, scenario_axis

    there = _scenario(scenario)
    if (axis is None) != (between is None):
        raise InputError("axis and between go together")
    along = None
    if axis is not None and between is not None:
        along = scenario_axis(there.scenario, Along(there.variations, axis), *between)
    study = whole_horizon(there.study) if whole else there.study
    if sum((fast, effort is not None, within_s is not None)) > 1:
        raise InputError("fast, effort and within_s say the same in different ways: give one")
    least = 1 if within_s is not None else effort or (FAST if fast else LEVELS)
    if not 1 <= least <= LEVELS:
        raise InputError(f"effort must be from 1 to {LEVELS}")

    def answered(level: int) -> Verdict:
        hasty = along and axis_with_effort_level(along, level)
        return decide(with_effort_level(study, level), executor, hasty)

    verdict = best_within(answered, least, within_s)
    mapped = executor.map if executor else map
    document = verdict_document(verdict, shown(verdict, mapped) if views else None)
    resolved = resolved_yaml(there.scenario, there.document)
    return VerdictResult(document, option_rows(document), verdict, resolved)


def sweep(
    scenario: Named,
    grid: Mapping[str, Any] | None = None,
    *,
    each: str | None = None,
    jobs: int = 1,
    dask: str | None = None,
    folder: str | Path | None = None,
    anew: bool = False,
    tell: "Tell | None" = None,
) -> SweepResult:
    """Try variations of a scenario; see the section ``sweep`` of scenarios.

    Parameters
    ----------
    scenario : Loaded, str or Path
        What is varied.
    grid : dict, optional
        Lists of values by dotted path, in the place of the scenario's section ``sweep``.
    each : str, optional
        ``size``, ``run`` or ``simulate``; default: as the scenario says, else ``size``.
    jobs : int
        Processes, 0: one for each core.
    dask : str, optional
        Address of a Dask scheduler whose workers are used instead.
    folder : path, optional
        Where answers are kept; default: the user's cache folder.
    anew : bool
        Neither read what was found before nor keep what is found.
    tell : callable, optional
        Is told how many points are done, and of how many.

    Raises
    ------
    InputError
        When a value cannot be what it is to be, or there is no answer at any point.
    """
    from simulator.analysis.commands.result_cache import cache_dir
    from simulator.library.sweep import swept

    document = _scenario(scenario).variations.document
    if grid is not None:
        said = {"grid": dict(grid), **({"each": each} if each else {})}
        document = with_values(document, {"sweep": said}, "grid: {}".format)
    elif each is not None:
        document = with_values(document, {"sweep.each": each}, "each: {}".format)
    kept = None if anew else Path(folder) if folder else cache_dir()
    return SweepResult.of(swept(document, jobs, dask, kept, tell))


def price_usage(columns: Mapping[str, Any], book: str | Path | None = None) -> UsageResult:
    """Price usage rows.

    Parameters
    ----------
    columns : dict of columns, or a pandas table
        ``offer`` (provider/model), ``at`` (ISO 8601, UTC when bare), ``context`` (standard where
        blank or absent), and counts: ``input_total``, ``cache_read``, ``cache_write_5m``,
        ``cache_write_1h``, ``output_total``, ``reasoning``, and those of other media and of tools
        that ``docs/prices.md`` lists.
    book : path, optional
        What ``breakeven prices import`` wrote; its prices come first.

    Raises
    ------
    InputError
        When ``offer``, ``at``, ``input_total`` or ``output_total`` is missing, or columns differ in
        length.
    """
    from simulator.scenario.catalog.price_book import PriceBook
    from simulator.scenario.tables.usage import priced_columns
    from simulator.scenario.tables.usage_columns import REQUIRED

    listed = {str(name): [_plain(value) for value in _list(columns[name])] for name in columns}
    texts = {name: ["" if v is None else str(v) for v in column] for name, column in listed.items()}
    for name in REQUIRED:
        if name not in texts:
            raise InputError(f"usage: no column {name!r}")
    if len({len(column) for column in texts.values()}) > 1:
        raise InputError("usage: columns must be of one length")
    prices = PriceBook() if book is None else PriceBook.with_file(Path(book))
    return UsageResult.of(listed, *priced_columns(texts, prices))


def _list(column: Any) -> list[Any]:
    """Values of a list, an array or a column of pandas."""
    return list(column.tolist() if hasattr(column, "tolist") else column)


def _plain(value: Any) -> str | int | float | None:
    """A value as JSON has it; None for what pandas says is missing."""
    if value is None or str(value) in ("nan", "NaT", "<NA>"):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)  # whole numbers turn into others where one is missing
    return value if isinstance(value, str | int | float) else str(value)


def predict_benchmark(
    model: str,
    accelerator: str,
    *,
    load_kind: "LoadKind" = "concurrency",
    load_value: float = 16,
    prompt_tok: int = 1024,
    output_tok: int = 1024,
    range_ratio: float = 1.0,
    requests: int | None = None,
    serving: "Serving | None" = None,
    **deployed: "Unpack[Deployed]",
) -> BenchmarkResult:
    """Predict what a load generator would measure.

    Parameters
    ----------
    model, accelerator : str
        Names of profiles, or what is near enough; a model also as a path of its config.json.
    load_kind : str
        ``concurrency``, ``offline``, ``request-rate`` or ``static-batch``.
    load_value : float
        Clients, requests per second, or sequences.
    prompt_tok, output_tok : int
        Tokens of each request.
    range_ratio : float
        Lengths are uniform from this share of them up.
    requests : int, optional
        How many; default: ten per client.
    serving : Serving, optional
        Settings of the engine; default: its default on the accelerator.
    **deployed
        ``gpus``, ``tensor``, ``parallelism``, ``engine``, ``weight_precision``, ``kv_precision``,
        ``kv_tokens``, ``weights_gb``, ``enforce_eager``, ``calibration``: how the model is served.

    Raises
    ------
    InputError
        When a name is unknown, or the model or one request does not fit.
    """
    from simulator.analysis.bench.benchmark import Load, Serving, run_benchmark
    from simulator.report.terminal.benchmark import benchmark_document
    from simulator.scenario.bench.benchmark import named_deployment

    found, replicas = named_deployment(model, accelerator, **deployed)
    load = Load(load_kind, load_value, prompt_tok, output_tok, range_ratio, requests)
    benchmark = run_benchmark(found, load, serving or Serving(), replicas)
    band = (found.coefficients.band_low, found.coefficients.band_high)
    document = benchmark_document(benchmark, band)
    times = f"{replicas} x " if replicas > 1 else ""
    label = f"{times}{found.label}, {found.engine.name}"
    return BenchmarkResult(document, [document], benchmark, label)


def _scenario(scenario: Named) -> Loaded:
    return scenario if isinstance(scenario, Loaded) else load(scenario)
