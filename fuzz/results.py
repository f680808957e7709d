"""One benchmark as each load generator reports it: 8 clients, 80 requests of 1,024 and 128 tokens.

Structures are those of the tools' own sources, named at each; fields that no reader needs are left
out. All that report it measured 256 output tok/s, 20 ms per output token and 120 ms to the first.
"""

import json
from typing import Any

from fuzz.cases import Form, Sample
from fuzz.samples import json_sample, lines_sample, yaml_file
from simulator.files.yamltree import dumped

VLLM: dict[str, Any] = {  # vLLM 0.11, vllm/benchmarks/serve.py
    "date": "20261105-132018", "endpoint_type": "vllm", "model_id": "llama", "num_prompts": 80,
    "request_rate": "inf", "burstiness": 1.0, "max_concurrency": 8, "duration": 40.0,
    "completed": 80, "failed": 0, "total_input_tokens": 81920, "total_output_tokens": 10240,
    "request_throughput": 2.0, "output_throughput": 256.0, "total_token_throughput": 2304.0,
    "mean_ttft_ms": 120.0, "mean_tpot_ms": 20.0, "mean_itl_ms": 20.0, "mean_e2el_ms": 2660.0,
}  # fmt: skip
SGLANG: dict[str, Any] = {  # SGLang 0.5, python/sglang/bench_serving.py
    "backend": "sglang", "dataset_name": "random", "request_rate": float("inf"),
    "max_concurrency": 8, "duration": 40.0, "completed": 80, "total_input_tokens": 81920,
    "total_output_tokens": 10240, "request_throughput": 2.0, "input_throughput": 2048.0,
    "output_throughput": 256.0, "mean_e2e_latency_ms": 2660.0, "mean_ttft_ms": 120.0,
    "mean_tpot_ms": 20.0, "mean_itl_ms": 20.0, "concurrency": 5.3, "accept_length": None,
}  # fmt: skip
EMBEDDING: dict[str, Any] = {  # vLLM 0.11, EmbedBenchmarkMetrics of vllm/benchmarks/serve.py
    "endpoint_type": "openai-embeddings", "num_prompts": 800, "request_rate": 100.0,
    "max_concurrency": None, "duration": 8.0, "completed": 800, "failed": 0,
    "total_input_tokens": 409600, "request_throughput": 100.0, "total_token_throughput": 51200.0,
    "mean_e2el_ms": 25.0, "median_e2el_ms": 22.0,
}  # fmt: skip
THROUGHPUT = {  # vLLM 0.11, vllm/benchmarks/throughput.py
    "elapsed_time": 10.0, "num_requests": 1000, "total_num_tokens": 1152000,
    "requests_per_second": 100.0, "tokens_per_second": 115200.0,
}  # fmt: skip
LATENCY = {  # vLLM 0.11, vllm/benchmarks/latency.py
    "avg_latency": 2.0, "latencies": [1.9, 2.0, 2.1], "percentiles": {"50": 2.0, "99": 2.1},
}  # fmt: skip
OFFLINE = {  # SGLang 0.5, python/sglang/bench_offline_throughput.py
    "backend": "engine", "successful_requests": 80, "total_latency": 40.0,
    "total_input_tokens": 81920, "total_output_tokens": 10240, "request_throughput": 2.0,
    "input_throughput": 2048.0, "output_throughput": 256.0, "total_throughput": 2304.0,
}  # fmt: skip

_MEANS = {
    "prompt_token_count": 1024.0, "output_token_count": 128.0, "output_tokens_per_second": 256.0,
    "inter_token_latency_ms": 20.0, "time_to_first_token_ms": 120.0, "requests_per_second": 2.0,
    "request_concurrency": 5.3,
}  # fmt: skip
METRICS: dict[str, Any] = {
    "request_totals": {"successful": 80, "errored": 0, "incomplete": 0, "total": 80},
    **{name: {"successful": {"mean": mean}} for name, mean in _MEANS.items()},
}


def guidellm(strategy: dict[str, Any], version: int | None = 1) -> dict[str, Any]:
    """Return a report of GuideLLM of a version of its metadata; None: 0.2 and 0.3, without it."""
    entry = {"type_": "generative_benchmark", "metrics": METRICS}
    if version is None:  # GuideLLM 0.3, src/guidellm/benchmark/benchmark.py
        return {"benchmarks": [{**entry, "args": {"strategy": strategy}, "run_stats": {}}]}
    # GuideLLM 0.5 and 0.7, src/guidellm/benchmark/schemas/generative
    metadata = {"version": version, "guidellm_version": "0.5.0"}
    return {"metadata": metadata, "benchmarks": [{**entry, "config": {"strategy": strategy}}]}


_SUMMARY: dict[str, Any] = {
    "request_throughput": {"unit": "requests/sec", "avg": 2.0},
    "request_latency": {"unit": "ms", "avg": 2660.0},
    "request_count": {"unit": "requests", "avg": 80.0},
    "input_sequence_length": {"unit": "tokens", "avg": 1024.0},
    "output_sequence_length": {"unit": "tokens", "avg": 128.0},
    "output_token_throughput": {"unit": "tokens/sec", "avg": 256.0},
    "inter_token_latency": {"unit": "ms", "avg": 20.0},
    "time_to_first_token": {"unit": "ms", "avg": 120.0},
}


def aiperf(config: dict[str, Any], schema: str | None = "1.0") -> dict[str, Any]:
    """Return a summary of AIPerf with its settings; without a schema, one of GenAI-Perf."""
    version = {} if schema is None else {"schema_version": schema, "aiperf_version": "0.10.0"}
    return {**version, **_SUMMARY, "input_config": config}


def phases(*measured: dict[str, Any]) -> dict[str, Any]:
    """Return settings of AIPerf 0.10 (src/aiperf/config/phases.py) with a warm-up phase."""
    warmup = {"name": "warmup", "type": "concurrency", "exclude_from_results": True,
              "requests": 16, "concurrency": 2}  # fmt: skip
    return {"phases": [warmup, *({"name": "profiling", **phase} for phase in measured)]}


AIPERF = aiperf({"loadgen": {"concurrency": 8, "request_count": 80}})
# AIPerf 0.10, src/aiperf/exporters/csv_exporter.py
AIPERF_CSV = """\
Metric,avg,min,max,sum,p50,p99,std
HTTP Duration (excl. conn) (ms),2659.07,81.86,10179.44,258822.80,93.79,219.77,320.13
Input Sequence Length (tokens),1024.00,1024.00,1024.00,81920.00,1024.00,1024.00,0.00
Inter Token Latency (ms),20.00,18.00,24.00,1600.00,20.00,24.00,1.00
Output Sequence Length (tokens),128.00,128.00,128.00,10240.00,128.00,128.00,0.00
Request Latency (ms),2660.00,2500.00,2900.00,212800.00,2650.00,2900.00,90.00
Time to First Token (ms),120.00,80.00,300.00,9600.00,110.00,300.00,40.00

Metric,Value
Output Token Throughput (tokens/sec),256.00
Request Count,80.00
Request Throughput (requests/sec),2.00


Endpoint,GPU_Index,GPU_Name,GPU_UUID,Metric,avg,min,max
"""
# GenAI-Perf 0.0.8, genai_perf/export_data/csv_exporter.py
GENAI_CSV = """\
Metric,avg,min,max,p99,p95,p90,p75,p50,p25
Time To First Token (ms),120.00,80.00,300.00,300.00,280.00,200.00,150.00,110.00,90.00
Inter Token Latency (ms),20.00,18.00,24.00,24.00,23.00,22.00,21.00,20.00,19.00
Output Sequence Length (tokens),128.00,128.00,128.00,128.00,128.00,128.00,128.00,128.00,128.00
Input Sequence Length (tokens),"1,024.00","1,024.00","1,024.00",1,1,1,1,1,1

Metric,Value
Output Token Throughput (per sec),256.00
Request Throughput (per sec),2.00
Request Count (count),80.00
"""


def stage(**load: float) -> dict[str, Any]:
    """Return a report of inference-perf (inference_perf/reportgen/base.py, 0.3)."""
    return {
        "load_summary": {"count": 80, "schedule_delay": {"mean": 0.0004}, **load},
        "successes": {
            "count": 80,
            "latency": {
                "request_latency": {"mean": 2.66},
                "time_to_first_token": {"mean": 0.12},
                "time_per_output_token": {"mean": 0.003},
            },
            "throughput": {"output_tokens_per_sec": 256.0, "requests_per_sec": 2.0},
            "prompt_len": {"mean": 1024.0},
            "output_len": {"mean": 128.0},
        },
        "failures": {"count": 0, "request_latency": None, "prompt_len": None},
    }


def _statistics(units: str, mean: float) -> dict[str, Any]:
    return {"units": units, "mean": mean}


def _figures(unit: str, scale: float) -> dict[str, Any]:
    return {
        "requests": {
            "total": 80,
            "failures": 0,
            "input_length": _statistics("count", 1024.0),
            "output_length": _statistics("count", 128.0),
        },
        "latency": {
            "time_to_first_token": _statistics(unit, 0.12 * scale),
            "time_per_output_token": _statistics(f"{unit}/token", 0.02 * scale),
            "request_latency": _statistics(unit, 2.66 * scale),
        },
    }


def report_v1(tool: str, settings: dict[str, Any], number: int = 0) -> dict[str, Any]:
    """Return a Benchmark Report 0.1 (llm-d-benchmark, benchmark_report/schema_v0_1.py)."""
    load = {"name": tool, "args": settings, "metadata": {"stage": number}}
    throughput = {"output_tokens_per_sec": 256.0, "requests_per_sec": 2.0}
    return {
        "version": "0.1",
        "scenario": {"model": {"name": "llama"}, "load": load},
        "metrics": {"time": {"duration": 40.0}, **_figures("ms", 1e3), "throughput": throughput},
    }


def report_v2(tool: str, version: str = "0.2", **load: Any) -> dict[str, Any]:
    """Return a Benchmark Report 0.2 (llm-d-benchmark, benchmark_report/schema_v0_2.py)."""
    standardized = {"tool": tool, "tool_version": "", "source": "random", "stage": 0, **load}
    throughput = {
        "output_token_rate": _statistics("tokens/s", 256.0),
        "request_rate": _statistics("queries/s", 2.0),
    }
    aggregate = {**_figures("s", 1.0), "throughput": throughput}
    return {
        "version": version,
        "run": {"uid": "a"},
        "scenario": {"load": {"standardized": standardized, "native": {"args": {}}}},
        "results": {"request_performance": {"aggregate": aggregate}},
    }


def aiperf_request(number: int) -> dict[str, Any]:
    """Return a line of AIPerf's profile_export.jsonl (record_models.py, 0.10)."""
    start_ns = 1_783_000_000_000_000_000 + number * 500_000_000
    metrics = {
        "time_to_first_token": (120.0, "ms"),
        "input_sequence_length": (1024, "tokens"),
        "output_sequence_length": (128, "tokens"),
    }
    return {
        "metadata": {
            "conversation_id": f"c{number}",
            "request_start_ns": start_ns,
            "request_end_ns": start_ns + 2_660_000_000,
            "benchmark_phase": "profiling",
            "was_cancelled": False,
        },
        "metrics": {name: {"value": v, "unit": unit} for name, (v, unit) in metrics.items()},
        "error": None,
    }


def perf_request(number: int) -> dict[str, Any]:
    """Return an entry of inference-perf's per_request_lifecycle_metrics.json (base.py, 0.6)."""
    start_s = 1393.25 + number / 2
    return {
        "start_time": start_s,
        "end_time": start_s + 2.66,
        "request": '{"prompt": "SECRET"}',
        "info": {
            "request_metrics": {"text": {"input_tokens": 1024}},
            "response_metrics": {
                "output_tokens": 128,
                "output_token_times": [start_s + 0.12, start_s + 2.66],
            },
        },
        "error": None,
    }


CLOSED_LOOPS: dict[str, tuple[str, str]] = {
    "vllm": ("r.json", json.dumps(VLLM)),
    "sglang": ("r.jsonl", json.dumps(SGLANG) + "\n"),
    "guidellm-0.3": (
        "r.json",
        json.dumps(guidellm({"type_": "concurrent", "streams": 8}, None)),
    ),
    "guidellm-0.5": (
        "r.json",
        json.dumps(guidellm({"type_": "concurrent", "streams": 8, "max_concurrency": 8})),
    ),
    "guidellm-0.7": (
        "r.json",
        json.dumps(guidellm({"kind": "concurrent", "streams": 8}, 2)),
    ),
    "guidellm-throughput": (
        "r.json",
        json.dumps(guidellm({"type_": "throughput", "max_concurrency": 8})),
    ),
    "aiperf-1.0": ("r.json", json.dumps(AIPERF)),
    "aiperf-1.3": (
        "r.json",
        json.dumps(aiperf(phases({"type": "concurrency", "concurrency": 8}), "1.3")),
    ),
    "aiperf-named-phases": (
        "r.json",
        json.dumps(aiperf({"phases": {
            "warmup": {"type": "concurrency", "concurrency": 2},
            "profiling": {"type": "concurrency", "concurrency": 8},
        }}, "1.3")),
    ),
    "genai-perf-flat": (
        "r.json",
        json.dumps(aiperf({"concurrency": 8, "request_rate": None}, None)),
    ),
    "genai-perf-nested": (
        "r.json",
        json.dumps(aiperf({"perf_analyzer": {"stimulus": {"concurrency": 8}}}, None)),
    ),
    "inference-perf": (
        "stage_0_lifecycle_metrics.json",
        json.dumps(stage(requested_rate=2.0, concurrency=8)),
    ),
    "llm-d-0.1-vllm": (
        "r.yaml",
        dumped(report_v1("vllm-benchmark", {"request_rate": "inf", "max_concurrency": 8})),
    ),
    "llm-d-0.1-guidellm": (
        "r.yaml",
        dumped(report_v1("guidellm", {"profile": "concurrent", "rate": [4, 8]}, 1)),
    ),
    "llm-d-0.1-inference-perf": (
        "r.json",
        json.dumps(report_v1(
            "inference-perf", {"load": {"stages": [{"rate": 1}, {"concurrency_level": 8}]}}, 1
        )),
    ),
    "llm-d-0.2": ("r.json", json.dumps(report_v2("vllm-benchmark", concurrency=8))),
    "llm-d-0.2.1": (
        "r.yaml",
        dumped(report_v2("inference-perf", "0.2.1", rate_qps=2.0, concurrency=8)),
    ),
}  # fmt: skip
"""Name and text of the file of each tool and version."""


def samples() -> tuple[Sample, ...]:
    """Return a file of each kind that a calibration reads."""
    requests = [aiperf_request(n) for n in range(8)]
    forms: dict[str, Form] = {"json": "json", "jsonl": "jsonl", "yaml": "yaml"}
    return (
        *(
            Sample(name, text.encode(), forms[name.split(".")[-1]])
            for name, text in CLOSED_LOOPS.values()
        ),
        json_sample("r.json", guidellm({"type_": "constant", "rate": 2.0})),
        json_sample("r.json", EMBEDDING), json_sample("r.json", OFFLINE),
        json_sample("stage_1_lifecycle_metrics.json", stage(requested_rate=2.0)),
        lines_sample("profile_export.jsonl", *requests),
        json_sample("per_request.json", [perf_request(n) for n in range(8)]),
        yaml_file("r.yaml", dumped(report_v2("guidellm", rate_qps=2.0)).encode()),
    )  # fmt: skip


def silent_samples() -> tuple[Sample, ...]:
    """Return a file of each kind whose load or lengths the user has to state."""
    batch = {**LATENCY, "avg_latency": 0.25}
    return (
        json_sample("r.json", batch), json_sample("r.json", stage()),
        json_sample("r.json", aiperf({"loadgen": {}})),
        Sample("r.csv", AIPERF_CSV.encode(), "csv"), Sample("r.csv", GENAI_CSV.encode(), "csv"),
        json_sample("r.json", THROUGHPUT),
    )  # fmt: skip
