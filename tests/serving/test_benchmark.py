"""Benchmarks of one deployment: the command's contract, and laws that any benchmark keeps."""

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import simulator
from simulator.analysis.bench.benchmark import Benchmark, Serving, benchmark_requests
from simulator.analysis.bench.loads import Load
from simulator.cli.app import app
from simulator.errors import InputError
from simulator.scenario.bench.benchmark import named_deployment
from simulator.scenario.catalog.deployments import read_parallelism
from simulator.scenario.catalog.names import known_gpu, known_model
from simulator.scenario.catalog.profiles import profile_names
from simulator.serving.parallelism import Parallelism

POINT = {
    "gpu": "NVIDIA H100-SXM-80GB", "n_gpus": "2", "tp": "2", "parallelism": "", "engine": "vLLM",
    "model": "meta-llama/Llama-3.3-70B-Instruct", "weight_precision": "fp8", "kv_precision": "",
    "isl": "1024", "osl": "256", "range_ratio": "0.8", "load_kind": "concurrency",
    "load_value": "8", "remark": "kept, as it is",
}  # fmt: skip


def benchmark_of(*names: str, **asked: object) -> Benchmark:
    return simulator.predict_benchmark(*names, **asked).benchmark


def predicted(tmp_path: Path, *changes: dict[str, str], output: str = "csv") -> list[dict]:
    path = tmp_path / "points.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(POINT))
        writer.writeheader()
        writer.writerows([POINT | change for change in changes])
    result = CliRunner().invoke(app, ["bench", str(path), "--output", output])
    assert result.exit_code == 0, result.stderr
    if output == "json":
        return json.loads(result.stdout)["points"]
    return list(csv.DictReader(io.StringIO(result.stdout)))


def test_a_table_comes_back_with_predictions(tmp_path: Path) -> None:
    rows = predicted(tmp_path, {}, {"load_value": "64"}, {})
    for row in rows:
        assert {name: row[name] for name in POINT} == POINT | {"load_value": row["load_value"]}
        assert row["pred_status"] == "ok"
        assert 0 < float(row["pred_low"]) < 1 < float(row["pred_high"])
        assert float(row["pred_total_tok_s"]) > float(row["pred_output_tok_s"]) > 0
        assert float(row["pred_ttft_p99_s"]) >= float(row["pred_ttft_mean_s"]) > 0
    few, many, again = rows
    assert few == again
    assert float(many["pred_output_tok_s"]) > 2 * float(few["pred_output_tok_s"])
    assert float(many["pred_tpot_mean_s"]) > float(few["pred_tpot_mean_s"])
    assert predicted(tmp_path, {}, output="json")[0] == few


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"gpu": "Voodoo 2"}, "unknown_gpu"),
        ({"model": "hal-9000"}, "unknown_model"),
        ({"engine": "abacus"}, "unsupported"),
        ({"load_kind": "request-rate", "load_value": "server"}, "unsupported"),
        ({"parallelism": "disagg P 1x(tp8) D 1x(tp8)"}, "unsupported"),
        ({"n_gpus": "3"}, "unsupported"),
        ({"weight_precision": "bf16", "tp": "1", "n_gpus": "1"}, "does_not_fit"),
        ({"isl": "900000"}, "does_not_fit"),
        ({"tp": "1", "n_gpus": "1", "gpu": "RTX 4090"}, "does_not_fit"),
        ({"weight_precision": "bf16", "load_value": "128"}, "kv_starved"),
    ],
)  # fmt: skip
def test_what_is_not_predicted_says_why(
    tmp_path: Path, change: dict[str, str], status: str
) -> None:
    (row,) = predicted(tmp_path, change)
    assert row["pred_status"] == status
    assert row["pred_output_tok_s"] == ""


def test_settings_of_a_table_are_kept(tmp_path: Path) -> None:
    """Columns by vLLM's names bound the batch; a precision told elsewhere widens the band."""
    path = tmp_path / "stated.csv"
    stated = POINT | {
        "load_value": "64", "num_prompts": "128", "max_num_batched_tokens": "2048",
        "max_num_seqs": "256", "gpu_memory_utilization": "0.9", "enforce_eager": "false",
        "prefix_caching": "",
    }  # fmt: skip
    changes = [
        {}, {"max_num_seqs": "4"}, {"enforce_eager": "true"}, {"num_prompts": "64"},
        {"weight_precision": "see system json"}, {"enforce_eager": "perhaps"},
    ]  # fmt: skip
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(stated))
        writer.writeheader()
        writer.writerows([stated | change for change in changes])
    result = CliRunner().invoke(app, ["bench", str(path), "--output", "csv"])
    base, narrow, eager, short, unsaid, odd = csv.DictReader(io.StringIO(result.stdout))
    speed = [float(row["pred_output_tok_s"]) for row in (narrow, eager, base)]
    assert speed == sorted(speed)
    assert speed[0] < 0.5 * speed[-1]
    assert short["pred_output_tok_s"] != base["pred_output_tok_s"]
    assert unsaid["pred_output_tok_s"] == base["pred_output_tok_s"]
    assert float(unsaid["pred_low"]) < float(base["pred_low"])
    assert odd["pred_status"] == "unsupported"


def test_tables_without_a_column_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("gpu,n_gpus,engine,modell,isl,osl,load_kind,load_value\n1,2,3,4,5,6,7,8\n")
    result = CliRunner().invoke(app, ["bench", str(path)])
    assert isinstance(result.exception, InputError)
    assert "missing column 'model' (found 'modell'?)" in str(result.exception)
    assert result.stdout == ""


def test_one_deployment_has_the_names_of_vllm(tmp_path: Path) -> None:
    command = [
        "bench", "--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--weights", "fp8",
        "--value", "8", "--isl", "512", "--osl", "64",
    ]  # fmt: skip
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.stderr
    for line in ("Output token throughput (tok/s):", "Mean TTFT (ms):", "P99 TPOT (ms):"):
        assert line in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 80
    document = json.loads(CliRunner().invoke(app, [*command, "--output", "json"]).stdout)
    assert document["completed"] == 80
    assert document["total_input_tokens"] == 80 * 512
    assert document["mean_ttft_ms"] <= document["p99_ttft_ms"]
    spent_s = document["total_output_tokens"] / document["output_throughput"]
    assert document["duration"] == pytest.approx(spent_s)


def test_a_closed_loop_keeps_littles_law() -> None:
    """Requests in flight = request rate x time in the system, but for the last ones' end."""
    b = benchmark_of("llama-3.1-8b", "h100-sxm", load_value=16, output_tok=128, requests=1600)
    assert b.request_s * float(b.e2e_s.mean()) == pytest.approx(16, rel=0.02)


def test_open_loops_pass_what_is_asked_until_they_cannot() -> None:
    def done_s(rate: float) -> float:
        b = benchmark_of(
            "llama-3.1-8b", "h100-sxm", load_kind="request-rate", load_value=rate, output_tok=64,
            requests=2000,
        )  # fmt: skip
        return b.request_s

    assert done_s(2.0) == pytest.approx(2.0, rel=0.08)
    most = done_s(1e4)
    assert done_s(10 * most) == pytest.approx(most, rel=0.05)


def test_replicas_share_the_load() -> None:
    one = benchmark_of("llama-3.1-8b", "h100-sxm", gpus=1, load_value=16, output_tok=64)
    two = benchmark_of("llama-3.1-8b", "h100-sxm", gpus=2, tensor=1, load_value=32, output_tok=64)
    assert two.output_tok_s == pytest.approx(2 * one.output_tok_s)


def test_requests_of_a_benchmark_are_what_the_load_says() -> None:
    table = benchmark_requests(Load("concurrency", 8, 100, 50, 0.5))
    assert table.size == 80
    assert len(table.sessions()) == 8
    for lengths, nominal in ((table.input_tokens, 100), (table.output_tokens, 50)):
        assert lengths.min() >= nominal // 2
        assert lengths.max() <= nominal
        assert lengths.mean() == pytest.approx(0.75 * nominal, rel=0.1)
    open_loop = benchmark_requests(Load("request-rate", 5.0, 10, 10, requests=500))
    assert open_loop.arrival_s[-1] == pytest.approx(100.0)  # n/rate, as `vllm bench serve` has it
    with pytest.raises(InputError, match="range_ratio"):
        Load("concurrency", 8, 100, 50, 1.5)


@pytest.mark.parametrize("requests", [1, 7, 8, 20])
def test_as_many_requests_are_run_as_are_asked_for(requests: int) -> None:
    """Fewer requests than clients are fewer clients, and drift does not lengthen answers."""
    b = benchmark_of(
        "llama-3.1-8b", "h100-sxm", load_value=8, prompt_tok=256, output_tok=64, requests=requests
    )
    assert len(b.e2e_s) == requests
    assert b.output_tok == pytest.approx(64 * requests, abs=0.5 * requests**0.5)


def test_all_gpus_are_one_replica_unless_degrees_say_otherwise() -> None:
    for parallelism, expected in (("", Parallelism(4)), ("pp4", Parallelism(1, 4))):
        found, replicas = named_deployment(
            "llama-3.1-8b", "h100-sxm", gpus=4, parallelism=parallelism
        )
        assert (found.spread, replicas) == (expected, 1)


@pytest.mark.parametrize(
    ("tensor", "gpus", "text", "expected", "replicas"),
    [
        (8, 8, "", Parallelism(8), 1),
        (2, 8, "", Parallelism(2), 4),
        (4, 8, "pp2", Parallelism(4, 2), 1),
        (8, 8, "ep8.0", Parallelism(8, 1, 8), 1),
        (4, 4, "ep1.0;dp_attn", Parallelism(4, 1, 1, True), 1),
        (1, 8, "pp1;adp8;moe_tp1;moe_ep8", Parallelism(8, 1, 8, True), 1),
        (8, 8, "pp1;adp1;moe_tp1;moe_ep8", Parallelism(8, 1, 8), 1),
        (64, 64, "pp1;adp1;moe_tp8;moe_ep8", Parallelism(8, 1, 8), 1),
        (1, 16, "pp1;adp16;moe_tp4;moe_ep4", Parallelism(4, 1, 4, True), 1),
        (4, 16, "pp1;adp4;moe_tp1;moe_ep16", Parallelism(4, 1, 4, True), 1),
        (4, 4, "pp1;adp1;moe_tp4;moe_ep1", Parallelism(4), 1),
        (1, 4, "", Parallelism(1), 4),
        (1, 9, "", Parallelism(1), 9),
        (1, 64, "", Parallelism(1), 64),
        (1, 4, "pp4", Parallelism(1, 4), 1),
        (2, 16, "pp4", Parallelism(2, 4), 2),
    ],
)  # fmt: skip
def test_degrees_are_read_as_tables_write_them(
    tensor: int, gpus: int, text: str, expected: Parallelism, replicas: int
) -> None:
    assert read_parallelism(tensor, gpus, text) == (expected, replicas)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NVIDIA H100-SXM-80GB", "h100-sxm"),
        ("H200", "h200-sxm"),
        ("AMD Instinct MI300X-NPS1-SPX-192GB-750W", "mi300x"),
        ("NVIDIA GH200 Grace Hopper Superchip 144GB", "gh200-144"),
        ("A100-SXM-40", "a100-sxm-40"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("L4", "l4"),
        ("NVIDIA L40S", "l40s"),
        ("A100 40GB PCIe", "a100-pcie-40"),
    ],
)
def test_accelerators_are_known_by_their_long_names(text: str, expected: str) -> None:
    assert known_gpu(text, profile_names("accelerators")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct-FP8", "llama-3.1-8b"),
        ("LLaMA v3 70B", "llama-3-70b"),
        ("Llama-2-70b-hf", "llama-2-70b"),
        ("DeepSeek-R1-0528", "deepseek-r1"),
        ("openai/gpt-oss-120b", "gpt-oss-120b"),
        ("Qwen3-32B-NVFP4", "qwen3-32b"),
        ("Qwen3-30B-A3B", "qwen3-30b"),
        ("Mixtral-8x7B-v0.1", "mixtral-8x7b"),
        ("GPT-J-6B", "gpt-j-6b"),
        ("google/gemma-3-27b-it", "gemma-3-27b"),
        ("DeepSeek-R1-Distill-Llama-8B", "llama-3.1-8b"),
    ],
)
def test_models_are_known_by_their_long_names(text: str, expected: str) -> None:
    assert known_model(text, profile_names("models")) == expected


def test_a_distillate_is_never_taken_for_its_teacher() -> None:
    with pytest.raises(InputError, match="unknown model"):
        known_model("DeepSeek-R1-Distill-Something-3B", profile_names("models"))


def test_a_request_that_never_fits_is_an_error() -> None:
    with pytest.raises(InputError, match="tokens of KV cache do not fit one request"):
        benchmark_of("llama-3.3-70b", "h100-sxm", gpus=2, weight_precision="fp8",
                          prompt_tok=900_000)  # fmt: skip


def test_serving_settings_bound_the_batch() -> None:
    narrow = Serving(max_sequences=2)
    load = {"load_value": 8, "output_tok": 64}
    slow = benchmark_of("llama-3.1-8b", "h100-sxm", serving=narrow, **load)
    assert slow.output_tok_s < benchmark_of("llama-3.1-8b", "h100-sxm", **load).output_tok_s
