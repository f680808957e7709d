"""The functions that ``simulator`` exports: each takes a scenario or names, returns a result."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from simulator.callbacks import Tell, ignore_progress
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

    from simulator.analysis.bench.benchmark import Serving
    from simulator.analysis.bench.loads import LoadKind
    from simulator.scenario.bench.benchmark import Deployed

Named = str | Path | Loaded
"""A scenario, the path of its file, or the name of a shipped scenario."""


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
        Path of a file, or the name of a shipped scenario.
    values : dict, optional
        Changed values by dotted path, as for ``--set``, units included.
    overrides : sequence of str
        Names of the scenario's overrides, applied before ``values``.
    seed : int, optional
        Seed in place of the scenario's.

    Raises
    ------
    InputError
        If the scenario is invalid, with file, line and column of the first problem.
    """
    scenario = load(name, overrides, seed)
    return changed(scenario, values) if values else scenario


def changed(scenario: Named, values: Mapping[str, Any]) -> Loaded:
    """Return a scenario with changed values, by dotted path."""
    document = _scenario(scenario).variations.document
    return load_document(with_values(document, values, "values: {}".format))


def simulate(scenario: Named) -> SimulationResult:
    """Simulate the options of a scenario exactly as written, without searching for sizes.

    Raises
    ------
    InputError
        If a size is left open.
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
    """Give the verdict on a scenario: options at their best size, break-even, drivers, changes.

    Parameters
    ----------
    scenario : Loaded, str or Path
        Scenario to decide.
    axis, between : str and pair of numbers, optional
        Number of the scenario and its range along which the break-even is searched; default: the
        volume.
    fast : bool
        Give a rough answer, with effort 3.
    effort : int, optional
        Level of effort from 1 to 5; 5 is the default, with all that the scenario requests.
    within_s : float, optional
        Answer with as much effort as this time allows, starting with the least [s]. The document
        states the level; with that level the answer is the same, byte for byte.
    whole : bool
        Simulate the whole horizon instead of a sample, however long that takes.
    views : bool
        Also simulate the further views of the report: timelines, and the map of volumes and cached
        shares.
    executor : Executor, optional
        Executor for parallel work; the answer does not depend on it.

    Raises
    ------
    InfeasibleError
        If no option meets the latency targets.
    InputError
        If the axis is not a number of the scenario, or options contradict each other.
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

    loaded_scenario = _scenario(scenario)
    if (axis is None) != (between is None):
        raise InputError("axis and between require each other")
    along = None
    if axis is not None and between is not None:
        along = scenario_axis(
            loaded_scenario.scenario, Along(loaded_scenario.variations, axis), *between
        )
    study = loaded_scenario.study
    study = whole_horizon(study) if whole else study
    if sum((fast, effort is not None, within_s is not None)) > 1:
        raise InputError("fast, effort and within_s exclude each other: give one of them")
    least = 1 if within_s is not None else effort or (FAST if fast else LEVELS)
    if not 1 <= least <= LEVELS:
        raise InputError(f"effort must be from 1 to {LEVELS}")

    def decide_at(level: int) -> Verdict:
        axis_at_level = along and axis_with_effort_level(along, level)
        return decide(with_effort_level(study, level), executor, axis_at_level)

    verdict = best_within(decide_at, least, within_s)
    mapped = executor.map if executor else map
    document = verdict_document(verdict, shown(verdict, mapped) if views else None)
    resolved = resolved_yaml(loaded_scenario.scenario, loaded_scenario.document)
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
    tell: Tell | None = None,
) -> SweepResult:
    """Evaluate variations of a scenario; see the section ``sweep`` of scenarios.

    Parameters
    ----------
    scenario : Loaded, str or Path
        Scenario to vary.
    grid : dict, optional
        Lists of values by dotted path, which replace the scenario's section ``sweep``.
    each : str, optional
        ``size``, ``run`` or ``simulate``; default: that of the scenario, else ``size``.
    jobs : int
        Number of processes; 0: one per core.
    dask : str, optional
        Address of a Dask scheduler whose workers are used instead.
    folder : path, optional
        Folder of cached results; default: the user's cache folder.
    anew : bool
        Neither read nor write cached results.
    tell : callable, optional
        Callback with the number of points done and of all points.

    Raises
    ------
    InputError
        If a value is invalid, or no point has a result.
    """
    from simulator.analysis.commands.result_cache import cache_dir
    from simulator.library.sweep import run_sweep

    document = _scenario(scenario).variations.document
    if grid is not None:
        section = {"grid": dict(grid), **({"each": each} if each else {})}
        document = with_values(document, {"sweep": section}, "grid: {}".format)
    elif each is not None:
        document = with_values(document, {"sweep.each": each}, "each: {}".format)
    cache = None if anew else Path(folder) if folder else cache_dir()
    return SweepResult.of(run_sweep(document, jobs, dask, cache, tell or ignore_progress))


def price_usage(columns: Mapping[str, Any], book: str | Path | None = None) -> UsageResult:
    """Price usage rows.

    Parameters
    ----------
    columns : dict of columns, or a pandas table
        ``offer`` (provider/model), ``at`` (ISO 8601, UTC by default), ``context`` (standard if
        blank or absent), and counts: ``input_total``, ``cache_read``, ``cache_write_5m``,
        ``cache_write_1h``, ``output_total``, ``reasoning``, and those of other media and of tools
        that ``docs/prices.md`` lists.
    book : path, optional
        File written by ``breakeven prices import``; its prices come first.

    Raises
    ------
    InputError
        If ``offer``, ``at``, ``input_total`` or ``output_total`` is missing, or columns differ in
        length.
    """
    from simulator.scenario.catalog.price_book import PriceBook
    from simulator.scenario.tables.usage import priced_columns
    from simulator.scenario.tables.usage_columns import REQUIRED

    listed = {str(name): [_plain(value) for value in _list(columns[name])] for name in columns}
    texts = {name: ["" if v is None else str(v) for v in column] for name, column in listed.items()}
    for name in REQUIRED:
        if name not in texts:
            raise InputError(f"usage: column {name!r} is missing")
    if len({len(column) for column in texts.values()}) > 1:
        raise InputError("usage: columns must have equal lengths")
    prices = PriceBook() if book is None else PriceBook.with_file(Path(book))
    return UsageResult.of(listed, *priced_columns(texts, prices))


def _list(column: Any) -> list[Any]:
    """Return the values of a list, an array or a pandas column."""
    return list(column.tolist() if hasattr(column, "tolist") else column)


def _plain(value: Any) -> str | int | float | None:
    """Return a value as a JSON type; None for missing values of pandas."""
    if value is None or str(value) in ("nan", "NaT", "<NA>"):
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)  # pandas turns integers into floats where one is missing
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
        Names of profiles, as benchmark tables write them; for a model also the path of its
        config.json.
    load_kind : str
        ``concurrency``, ``offline``, ``request-rate`` or ``static-batch``.
    load_value : float
        Clients, requests per second, or sequences.
    prompt_tok, output_tok : int
        Tokens of each request.
    range_ratio : float
        Lengths are drawn uniformly from this share of them up to them.
    requests : int, optional
        Number of requests; default: ten per client.
    serving : Serving, optional
        Settings of the engine; default: those of the engine on the accelerator.
    **deployed
        ``gpus``, ``tensor``, ``parallelism``, ``engine``, ``weight_precision``, ``kv_precision``,
        ``kv_tokens``, ``weights_gb``, ``enforce_eager``, ``calibration``: the deployment of the
        model.

    Raises
    ------
    InputError
        If a name is unknown, or the model or one request does not fit into memory.
    """
    from simulator.analysis.bench.benchmark import Serving, run_benchmark
    from simulator.analysis.bench.loads import Load
    from simulator.report.terminal.benchmark import benchmark_document
    from simulator.scenario.bench.benchmark import named_deployment

    deployment, replicas = named_deployment(model, accelerator, **deployed)
    load = Load(load_kind, load_value, prompt_tok, output_tok, range_ratio, requests)
    benchmark = run_benchmark(deployment, load, serving or Serving(), replicas)
    band = (deployment.coefficients.band_low, deployment.coefficients.band_high)
    document = benchmark_document(benchmark, band)
    times = f"{replicas} x " if replicas > 1 else ""
    label = f"{times}{deployment.label}, {deployment.engine.name}"
    return BenchmarkResult(document, [document], benchmark, label)


def _scenario(scenario: Named) -> Loaded:
    return scenario if isinstance(scenario, Loaded) else load(scenario)
