"""``breakeven bench`` and ``breakeven calibrate``: what a deployment measures, and learning it."""

import csv
import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from simulator.cli.common import Output, OutputOption, show
from simulator.cli.progress import progress


class LoadChoice(StrEnum):
    """How a benchmark asks."""

    CONCURRENCY = "concurrency"
    OFFLINE = "offline"
    REQUEST_RATE = "request-rate"
    STATIC_BATCH = "static-batch"


ModelOption = Annotated[str | None, typer.Option("--model", help="Model to serve.")]
GpuOption = Annotated[str | None, typer.Option("--gpu", help="Accelerator.")]
GpusOption = Annotated[int, typer.Option("--gpus", min=1, help="Of all replicas.")]
TensorOption = Annotated[
    int | None, typer.Option("--tp", min=1, help="GPUs of one replica; default: all.")
]
ParallelismOption = Annotated[
    str, typer.Option("--parallelism", help="Further degrees, such as ep8, pp2 or dp_attn.")
]
EngineOption = Annotated[str, typer.Option("--engine", help="vllm, sglang, trtllm, ...")]
WeightsOption = Annotated[
    str, typer.Option("--weights", help="Weight precision; default: as published.")
]
KvOption = Annotated[str, typer.Option("--kv", help="Precision of the KV cache.")]
KvTokensOption = Annotated[
    int | None,
    typer.Option("--kv-tokens", min=1, help="KV cache of a replica as the engine reports it."),
]
WeightsGbOption = Annotated[
    float | None,
    typer.Option("--weights-gb", min=0.001, help="Size of the checkpoint; default: computed."),
]
EagerOption = Annotated[bool, typer.Option("--enforce-eager", help="No captured graphs.")]
BudgetOption = Annotated[
    int | None,
    typer.Option("--max-num-batched-tokens", min=1, help="Tokens of a step; default: engine's."),
]
SequencesOption = Annotated[
    int | None,
    typer.Option("--max-num-seqs", min=1, help="Sequences at once; default: engine's."),
]
UncachedOption = Annotated[
    bool, typer.Option("--no-prefix-caching", help="Forget the prompts of the preempted.")
]
MemoryOption = Annotated[
    float | None,
    typer.Option(
        "--gpu-memory-utilization", min=0.01, max=1.0, help="Of the memory; default: engine's."
    ),
]


def bench(
    points: Annotated[
        Path | None,
        typer.Argument(metavar="[POINTS.csv]", help="Predict every row of a table."),
    ] = None,
    model: ModelOption = None,
    gpu: GpuOption = None,
    gpus: GpusOption = 1,
    tensor: TensorOption = None,
    parallelism: ParallelismOption = "",
    engine: EngineOption = "vllm",
    weights: WeightsOption = "",
    kv: KvOption = "",
    kv_tokens: KvTokensOption = None,
    weights_gb: WeightsGbOption = None,
    enforce_eager: EagerOption = False,
    batched_tokens: BudgetOption = None,
    sequences: SequencesOption = None,
    memory: MemoryOption = None,
    uncached: UncachedOption = False,
    load: Annotated[LoadChoice, typer.Option(help="How it is asked.")] = LoadChoice.CONCURRENCY,
    value: Annotated[
        float, typer.Option("--value", help="Clients, requests per second, or sequences.")
    ] = 16.0,
    isl: Annotated[int, typer.Option(min=1, help="Prompt tokens.")] = 1024,
    osl: Annotated[int, typer.Option(min=0, help="Output tokens.")] = 1024,
    range_ratio: Annotated[
        float, typer.Option(help="Lengths are uniform from this share of these up.")
    ] = 1.0,
    requests: Annotated[int | None, typer.Option(min=1, help="Default: ten per client.")] = None,
    calibration: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What `calibrate` wrote.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Predict what a benchmark would measure, by running the engine.

    Give --model and --gpu for one deployment, or a table of points.
    """
    if points is not None:
        if model or gpu:
            raise typer.BadParameter("give a table or --model and --gpu, not both")
        _table(points, output)
        return
    if model is None or gpu is None:
        raise typer.BadParameter("give --model and --gpu, or a table of points")
    from simulator.analysis.bench.benchmark import Serving
    from simulator.library.calls import predict_benchmark
    from simulator.report.terminal.benchmark import print_benchmark

    found = predict_benchmark(
        model,
        gpu,
        load_kind=load.value,
        load_value=value,
        prompt_tok=isl,
        output_tok=osl,
        range_ratio=range_ratio,
        requests=requests,
        serving=Serving(batched_tokens, sequences, memory, prefix_cache=not uncached),
        gpus=gpus,
        tensor=tensor,
        parallelism=parallelism,
        engine=engine,
        weight_precision=weights,
        kv_precision=kv,
        kv_tokens=kv_tokens,
        weights_gb=weights_gb,
        enforce_eager=enforce_eager,
        calibration=calibration,
    )
    show(output, found.document, found.rows, partial(print_benchmark, found.label, found.document))


def _table(points: Path, output: Output) -> None:
    from simulator.scenario.bench.bench_table import predicted_rows
    from simulator.scenario.catalog.serving_profile import serving_profile

    header: list[str] = []
    documents: list[dict[str, Any]] = []
    with progress("points") as tell:
        for header, rows in predicted_rows(points, serving_profile()):
            if output is Output.CSV:  # row by row, as long as the table may be
                _write_csv(rows if documents else [header, *rows])
            documents += [dict(zip(header, row, strict=True)) for row in rows]
            tell(len(documents))
    if output is not Output.CSV:
        from simulator.report.terminal.benchmark import print_points

        show(output, {"points": documents}, documents, partial(print_points, documents))
    said = sum(d["pred_status"] == "ok" for d in documents)
    sys.stderr.write(f"{len(documents)} points, {said} predicted\n")


def _write_csv(rows: list[list[str]]) -> None:
    from simulator.files.cells import harmless

    csv.writer(sys.stdout, lineterminator="\n").writerows([map(harmless, row) for row in rows])


def calibrate(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS...",
            help="Files of vLLM, SGLang, GuideLLM, AIPerf, a CSV table, or a log of requests.",
        ),
    ],
    model: Annotated[str, typer.Option("--model", help="Model that was served.")],
    gpu: Annotated[str, typer.Option("--gpu", help="Accelerator.")],
    gpus: GpusOption = 1,
    tensor: TensorOption = None,
    parallelism: ParallelismOption = "",
    engine: EngineOption = "vllm",
    weights: WeightsOption = "",
    kv: KvOption = "",
    kv_tokens: KvTokensOption = None,
    weights_gb: WeightsGbOption = None,
    enforce_eager: EagerOption = False,
    batched_tokens: BudgetOption = None,
    sequences: SequencesOption = None,
    memory: MemoryOption = None,
    uncached: UncachedOption = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the calibration here.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Fit a deployment's coefficients to its own benchmarks, or to a log of its requests.

    A log is a CSV table with arrival_s, input_tokens, output_tokens, first_token_s and finished_s.
    """
    from dataclasses import replace

    from simulator.analysis.bench.benchmark import Serving
    from simulator.analysis.bench.calibration import calibrate as fit
    from simulator.files.writing import write_files
    from simulator.report.terminal.benchmark import calibration_document, print_calibration
    from simulator.scenario.bench.benchmark import named_deployment
    from simulator.scenario.tables.calibration_file import calibration_text
    from simulator.scenario.tables.measurements import read_measurements

    found, replicas = named_deployment(
        model,
        gpu,
        gpus=gpus,
        tensor=tensor,
        parallelism=parallelism,
        engine=engine,
        weight_precision=weights,
        kv_precision=kv,
        kv_tokens=kv_tokens,
        weights_gb=weights_gb,
        enforce_eager=enforce_eager,
    )
    measured = [replace(m, replicas=replicas) for m in read_measurements(results)]
    with progress("fitting"):
        calibration = fit(
            found, measured, Serving(batched_tokens, sequences, memory, prefix_cache=not uncached)
        )
    band = (found.coefficients.band_low, found.coefficients.band_high)
    document = calibration_document(calibration, band)
    show(output, document, [document], partial(print_calibration, document))
    if out is not None:
        names = ", ".join(path.name for path in results)
        write_files(out.parent, {out.name: calibration_text(found, calibration, names)})
        sys.stderr.write(f"wrote {out}; name it as `calibration` of the option in a scenario\n")
    if "scale" in calibration.factors:
        sys.stderr.write(
            "breakeven: fewer than three benchmarks fit no more than a scale; loads unlike these "
            "will miss by more\n"
        )
