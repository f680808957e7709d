"""``breakeven bench`` and ``breakeven calibrate``: predict benchmarks, and fit to them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from simulator.cli.common import Output, OutputOption, print_notes, show_result
from simulator.cli.progress import progress
from simulator.library.names import LoadKind

ModelOption = Annotated[
    str | None, typer.Option("--model", help="Model to serve, or its config.json.")
]
GpuOption = Annotated[str | None, typer.Option("--gpu", help="Accelerator to serve it on.")]
GpusOption = Annotated[int, typer.Option("--gpus", min=1, help="Number of GPUs of all replicas.")]
TensorOption = Annotated[
    int | None, typer.Option("--tp", min=1, help="GPUs of one replica; default: all.")
]
ParallelismOption = Annotated[
    str, typer.Option("--parallelism", help="Further parallelism, such as ep8, pp2 or dp_attn.")
]
EngineOption = Annotated[
    str, typer.Option("--engine", help="Serving engine: vllm, sglang, trtllm, ...")
]
WeightsOption = Annotated[
    str, typer.Option("--weights", help="Precision of the weights; default: as published.")
]
KvOption = Annotated[str, typer.Option("--kv", help="Precision of the KV cache.")]
KvTokensOption = Annotated[
    int | None,
    typer.Option(
        "--kv-tokens", min=1, help="KV cache of a replica in tokens, as the engine reports it."
    ),
]
WeightsGbOption = Annotated[
    float | None,
    typer.Option("--weights-gb", min=0.001, help="Size of the weights in GB; default: computed."),
]
EagerOption = Annotated[bool, typer.Option("--enforce-eager", help="Run without CUDA graphs.")]
BudgetOption = Annotated[
    int | None,
    typer.Option(
        "--max-num-batched-tokens", min=1, help="Most tokens of a step; default: the engine's."
    ),
]
SequencesOption = Annotated[
    int | None,
    typer.Option("--max-num-seqs", min=1, help="Most sequences at once; default: the engine's."),
]
UncachedOption = Annotated[
    bool, typer.Option("--no-prefix-caching", help="Disable the prefix cache.")
]
MemoryOption = Annotated[
    float | None,
    typer.Option(
        "--gpu-memory-utilization",
        min=0.01,
        max=1.0,
        help="Share of the memory to use; default: the engine's.",
    ),
]


def bench(
    points: Annotated[
        Path | None,
        typer.Argument(metavar="[POINTS.csv]", help="Table of points, to predict every row."),
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
    load: Annotated[LoadKind, typer.Option(help="Load pattern.")] = "concurrency",
    value: Annotated[
        float, typer.Option("--value", help="Load: clients, requests per second, or sequences.")
    ] = 16.0,
    isl: Annotated[int, typer.Option(min=1, help="Prompt tokens of a request.")] = 1024,
    osl: Annotated[int, typer.Option(min=0, help="Output tokens of a request.")] = 1024,
    range_ratio: Annotated[
        float,
        typer.Option(help="Shortest length as a share of --isl and --osl; uniform in between."),
    ] = 1.0,
    requests: Annotated[
        int | None, typer.Option(min=1, help="Number of requests; default: ten per client.")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Calibration file written by `calibrate`.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Predict the result of a serving benchmark by simulation.

    Give --model and --gpu for one deployment, or a table of points.
    """
    if points is not None:
        if model or gpu:
            raise typer.BadParameter("give either a table of points or --model and --gpu")
        _predict_table(points, output)
        return
    if model is None or gpu is None:
        raise typer.BadParameter("give --model and --gpu, or a table of points")
    from simulator.library.benchmarks import predict_benchmark, serving

    with progress("predicting"):
        result = predict_benchmark(
            model,
            gpu,
            load_kind=load,
            load_value=value,
            prompt_tok=isl,
            output_tok=osl,
            range_ratio=range_ratio,
            requests=requests,
            serving=serving(batched_tokens, sequences, memory, not uncached),
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
    show_result(output, result)


def _predict_table(points: Path, output: Output) -> None:
    from simulator.library.benchmarks import predict_benchmarks

    # Tables may be long: CSV rows are printed as they are predicted.
    streams = output is Output.CSV
    with progress("points") as tell:
        result = predict_benchmarks(points, stream=sys.stdout if streams else None, tell=tell)
    if streams:
        print_notes(result)
    else:
        show_result(output, result)


def calibrate(
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULTS...",
            help="Result files of load generators, CSV tables, or request logs.",
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", help="Model that was served, or its config.json.")
    ],
    gpu: Annotated[str, typer.Option("--gpu", help="Accelerator that it was served on.")],
    load: Annotated[
        LoadKind | None, typer.Option(help="Load pattern of results that do not contain it.")
    ] = None,
    value: Annotated[
        float | None,
        typer.Option("--value", help="Their load: clients, requests per second, or sequences."),
    ] = None,
    isl: Annotated[
        int | None, typer.Option(min=1, help="Prompt tokens, where results do not contain them.")
    ] = None,
    osl: Annotated[
        int | None, typer.Option(min=0, help="Output tokens, where results do not contain them.")
    ] = None,
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
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write the calibration to this file."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Fit a deployment's speed to its own benchmarks or request log.

    Results are those of vLLM, SGLang, GuideLLM, AIPerf, GenAI-Perf,
    inference-perf and llm-d. A log is a CSV table with arrival_s, input_tokens,
    output_tokens, first_token_s and finished_s.
    """
    from simulator.library import benchmarks

    with progress("fitting"):
        result = benchmarks.calibrate(
            results,
            model,
            gpu,
            load_kind=load,
            load_value=value,
            prompt_tok=isl,
            output_tok=osl,
            serving=benchmarks.serving(batched_tokens, sequences, memory, not uncached),
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
    show_result(output, result)
    if out is not None:
        result.save_calibration(out)
        sys.stderr.write(f"wrote {out}; use it as `calibration` of an option in a scenario\n")
