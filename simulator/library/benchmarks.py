"""Benchmarks of single deployments: predicted, and used to calibrate predictions."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, Unpack

from simulator.callbacks import Tell, ignore_progress
from simulator.library.results import BenchmarkResult, CalibrationResult, Result

if TYPE_CHECKING:
    from simulator.analysis.bench.benchmark import Serving
    from simulator.analysis.bench.loads import LoadKind
    from simulator.scenario.bench.benchmark import Deployed


def serving(
    batched_tokens: int | None = None,
    sequences: int | None = None,
    memory_share: float | None = None,
    prefix_cache: bool = True,
) -> "Serving":
    """Return settings of an engine; None: its own default on the accelerator.

    Parameters
    ----------
    batched_tokens : int, optional
        Most tokens of a step.
    sequences : int, optional
        Most sequences at once.
    memory_share : float, optional
        Share of the memory to use.
    prefix_cache : bool
        Whether prompts find their prefixes in the cache.
    """
    from simulator.analysis.bench.benchmark import Serving

    return Serving(batched_tokens, sequences, memory_share, prefix_cache=prefix_cache)


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
    from simulator.report.terminal.benchmark import benchmark_document, print_benchmark
    from simulator.scenario.bench.benchmark import named_deployment

    deployment, replicas = named_deployment(model, accelerator, **deployed)
    load = Load(load_kind, load_value, prompt_tok, output_tok, range_ratio, requests)
    benchmark = run_benchmark(deployment, load, serving or Serving(), replicas)
    band = (deployment.coefficients.band_low, deployment.coefficients.band_high)
    document = benchmark_document(benchmark, band)
    times = f"{replicas} x " if replicas > 1 else ""
    label = f"{times}{deployment.label}, {deployment.engine.name}"
    printer = partial(print_benchmark, label, document)
    return BenchmarkResult(document, [document], benchmark, label, printer=printer)


def predict_benchmarks(
    points: str | Path, *, stream: TextIO | None = None, tell: Tell = ignore_progress
) -> Result:
    """Predict every row of a table of benchmark points.

    Parameters
    ----------
    points : path
        CSV table with a deployment and a load in each row; see ``docs/profiles.md``.
    stream : text stream, optional
        Receives the rows as CSV as they are predicted, for tables that are long.
    tell : callable
        Callback with the number of rows done.

    Raises
    ------
    InputError
        If the table cannot be read; rows that cannot be predicted state why.
    """
    from simulator.files.cells import write_rows
    from simulator.report.terminal.benchmark import print_points
    from simulator.scenario.bench.bench_table import predicted_rows
    from simulator.scenario.catalog.serving_profile import serving_profile

    documents: list[dict[str, Any]] = []
    for header, rows in predicted_rows(Path(points), serving_profile()):
        if stream is not None:
            write_rows(stream, rows if documents else [header, *rows])
        documents += [dict(zip(header, row, strict=True)) for row in rows]
        tell(len(documents))
    predicted = sum(d["pred_status"] == "ok" for d in documents)
    return Result(
        {"points": documents},
        documents,
        printer=partial(print_points, documents),
        notes=(f"{len(documents)} points, {predicted} predicted",),
    )


def calibrate(
    results: Sequence[str | Path],
    model: str,
    accelerator: str,
    *,
    load_kind: "LoadKind | None" = None,
    load_value: float | None = None,
    prompt_tok: int | None = None,
    output_tok: int | None = None,
    serving: "Serving | None" = None,
    **deployed: "Unpack[Deployed]",
) -> CalibrationResult:
    """Fit the speed of a deployment to its own benchmarks or request log.

    Parameters
    ----------
    results : sequence of paths
        Result files of vLLM, SGLang, GuideLLM, AIPerf, GenAI-Perf, inference-perf or llm-d, CSV
        tables, or request logs: CSV tables with arrival_s, input_tokens, output_tokens,
        first_token_s and finished_s.
    load_kind, load_value, prompt_tok, output_tok : optional
        Load of those results that do not contain it; see ``predict_benchmark``.
    model, accelerator, serving, **deployed
        See ``predict_benchmark``.

    Raises
    ------
    InputError
        If a name is unknown, a file cannot be read or lacks its load, or the results contradict
        the deployment.
    """
    from dataclasses import replace

    from simulator.analysis.bench import calibration
    from simulator.analysis.bench.benchmark import Serving
    from simulator.report.terminal.benchmark import calibration_document, print_calibration
    from simulator.scenario.bench.benchmark import named_deployment
    from simulator.scenario.tables.calibration_file import calibration_text
    from simulator.scenario.tables.measurements import read_measurements
    from simulator.scenario.tables.results.reported import Stated

    stated = Stated(load_kind, load_value, prompt_tok, output_tok)
    paths = [Path(path) for path in results]
    deployment, replicas = named_deployment(model, accelerator, **deployed)
    measured = [replace(m, replicas=replicas) for m in read_measurements(paths, stated)]
    fitted = calibration.calibrate(deployment, measured, serving or Serving())
    band = (deployment.coefficients.band_low, deployment.coefficients.band_high)
    document = calibration_document(fitted, band)
    notes: tuple[str, ...] = ()
    if "scale" in fitted.factors:
        notes = (
            "breakeven: fewer than three benchmarks determine one scale only; predictions for "
            "other loads are less accurate",
        )
    return CalibrationResult(
        document,
        [document],
        fitted,
        calibration_text(deployment, fitted, ", ".join(path.name for path in paths)),
        printer=partial(print_calibration, document),
        notes=notes,
    )
