"""Readers of benchmarks, calibrations and model configurations."""

from pathlib import Path

from fuzz.cases import Reader, Sample
from fuzz.commands import command, given, texts
from fuzz.results import SGLANG, VLLM, samples, silent_samples
from fuzz.samples import compressed, csv_sample, json_sample, lines_sample, yaml_file

_DEPLOYED = ("--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--weights", "fp8")
_POINT = {
    "gpu": "h100-sxm", "n_gpus": 1, "tp": 1, "parallelism": "", "engine": "vllm",
    "model": "llama-3.1-8b", "weight_precision": "fp8", "kv_precision": "fp8", "isl": 256,
    "osl": 32, "range_ratio": 0.8, "load_kind": "concurrency", "load_value": 4, "num_prompts": 8,
    "max_num_batched_tokens": 2048, "max_num_seqs": 16, "gpu_memory_utilization": 0.9,
    "enforce_eager": "false", "prefix_caching": "true", "date": "2026-01-05",
}  # fmt: skip
LLAMA = {
    "hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32,
    "num_hidden_layers": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "max_position_embeddings": 131072, "tie_word_embeddings": False,
}  # fmt: skip
DEEPSEEK = {
    "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048,
    "num_attention_heads": 128, "num_hidden_layers": 61, "num_key_value_heads": 128,
    "vocab_size": 129280, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8,
    "first_k_dense_replace": 3, "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128, "v_head_dim": 128, "max_position_embeddings": 163840,
}  # fmt: skip
GPT_OSS = {
    "hidden_size": 2880, "intermediate_size": 2880, "num_attention_heads": 64, "head_dim": 64,
    "num_hidden_layers": 36, "num_key_value_heads": 8, "vocab_size": 201088,
    "num_local_experts": 128, "num_experts_per_tok": 4, "max_position_embeddings": 131072,
    "layer_types": ["sliding_attention", "full_attention"] * 18, "sliding_window": 128,
}  # fmt: skip
_NAMES = {"model": "Llama 3.1 8B", "gpu": "H100", "gpus": "8", "tp": "2", "parallelism": "ep2",
          "engine": "vLLM", "weights": "fp8", "kv": "fp8", "isl": "64", "osl": "8",
          "requests": "4", "value": "2"}  # fmt: skip


def _calibrate(path: Path, out: Path) -> None:
    target = out / "calibration.yaml"
    command("calibrate", path, *_DEPLOYED, "--out", target, "--output", "json")
    # The calibration that was written must be readable.
    command("bench", *_DEPLOYED, "--isl", "64", "--osl", "8", "--requests", "4",
            "--calibration", target)  # fmt: skip


def _calibrate_stated(path: Path, out: Path) -> None:
    command("calibrate", path, *_DEPLOYED, "--load", "static-batch", "--value", "8",
            "--isl", "256", "--osl", "32", "--output", "json")  # fmt: skip


def _calibration(path: Path, out: Path) -> None:
    command("bench", *_DEPLOYED, "--isl", "64", "--osl", "8", "--requests", "4",
            "--calibration", path)  # fmt: skip


def _calibration_samples() -> tuple[Sample, ...]:
    from simulator.scenario.bench.benchmark import named_deployment
    from simulator.scenario.tables.calibration_file import identity

    deployment, _ = named_deployment("llama-3.1-8b", "h100-sxm", weight_precision="fp8")
    text = (
        f"schema_version: 1\ndeployment: {identity(deployment)}\n"
        "factors:\n  overhead: 1.2\n  memory: 1.1\nband: [0.9, 1.1]\npoints: 4\nsource: mine.csv\n"
    )
    return (yaml_file("calibration.yaml", text.encode()),)


def _bench(path: Path, out: Path) -> None:
    command("bench", path, "--output", "json")


def _bench_names(path: Path, out: Path) -> None:
    """Predict a benchmark with names in the spelling of tables."""
    flags = [part for name, text in texts(given(path)).items() for part in (f"--{name}", text)]
    command("bench", *flags, "--output", "json")


def _config(path: Path, out: Path) -> None:
    command("bench", "--model", path, "--gpu", "h100-sxm", "--gpus", "8", "--isl", "64",
            "--osl", "8", "--requests", "4", "--output", "json")  # fmt: skip


def _measurements() -> tuple[Sample, ...]:
    table = csv_sample(
        "m.csv",
        ("isl", "osl", "load_kind", "load_value", "range_ratio", "num_prompts", "output_tok_s",
         "tpot_mean_ms", "ttft_mean_ms"),
        (256, 32, "concurrency", 4, 0.8, 8, 256, 20, 120),
        (256, 32, "request-rate", 2, "", 8, 60, 15, 100),
    )  # fmt: skip
    return (
        table, compressed(table), lines_sample("m.jsonl", SGLANG, VLLM), *samples(),
        csv_sample("m.csv", ("arrival_s", "input_tokens", "output_tokens", "first_token_s",
                             "finished_s", "cached_tokens"),
                   *((k / 2, 300 + k, 20, k / 2 + 0.1, k / 2 + 0.5, 10) for k in range(8))),
    )  # fmt: skip


def readers() -> tuple[Reader, ...]:
    """Return the readers of benchmarks and model configurations."""
    configs = (LLAMA, DEEPSEEK, GPT_OSS, {"text_config": LLAMA, "_name_or_path": "x/y"})
    points = csv_sample("points.csv", list(_POINT), list(_POINT.values()))
    return (
        Reader("calibrate", _measurements, _calibrate),
        Reader("calibrate-stated", silent_samples, _calibrate_stated),
        Reader("calibration-file", _calibration_samples, _calibration),
        Reader("bench-points", lambda: (points,), _bench),
        Reader("bench-names", lambda: (json_sample("names.json", _NAMES),), _bench_names),
        Reader(
            "model-config", lambda: tuple(json_sample("config.json", c) for c in configs), _config
        ),
    )
