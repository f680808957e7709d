"""Results of load generators: every tool and version says the same, and nothing is guessed."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fuzz.results import (
    AIPERF_CSV,
    CLOSED_LOOPS,
    EMBEDDING,
    GENAI_CSV,
    LATENCY,
    OFFLINE,
    SGLANG,
    THROUGHPUT,
    VLLM,
    aiperf,
    aiperf_request,
    guidellm,
    perf_request,
    phases,
    report_v1,
    report_v2,
    stage,
)
from simulator.analysis.bench.calibration import Measurement
from simulator.analysis.bench.loads import Load
from simulator.cli.app import app
from simulator.errors import InputError
from simulator.scenario.tables.measurements import read_measurements
from simulator.scenario.tables.results.reported import Stated

TABLE = (
    "isl,osl,load_kind,load_value,output_tok_s,tpot_mean_ms,ttft_mean_ms\n"
    "1024,128,concurrency,8,256,20,120\n"
)


def measured(
    tmp_path: Path, document: Any, stated: Stated | None = None, name: str = "r.json"
) -> list[Measurement]:
    path = tmp_path / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return read_measurements([path], stated)


def load_of(tmp_path: Path, document: Any, name: str = "r.json") -> tuple[str, float]:
    (got,) = measured(tmp_path, document, name=name)
    return got.load.kind, got.load.value


@pytest.mark.parametrize("tool", [*sorted(CLOSED_LOOPS), "table"])
def test_every_tool_and_version_says_the_same(tmp_path: Path, tool: str) -> None:
    name, text = CLOSED_LOOPS.get(tool, ("table.csv", TABLE))
    (got,) = measured(tmp_path, text, name=name)
    load = got.load
    assert (load.kind, load.value) == ("concurrency", 8)
    assert (load.prompt_tok, load.output_tok) == (1024, 128)
    assert load.requests == (None if tool == "table" else 80)
    assert (got.output_tok_s, got.tpot_s, got.ttft_s) == pytest.approx((256.0, 0.02, 0.12))


RATE = VLLM | {"max_concurrency": None, "request_rate": 2.5}
OPEN_LOOPS = {
    "vllm": RATE,
    "sglang": SGLANG | {"max_concurrency": None, "request_rate": 2.5},
    "aiperf-1.0": aiperf({"loadgen": {"request_rate": 2.5, "arrival_pattern": "poisson"}}),
    "aiperf-1.3": aiperf(phases({"type": "poisson", "rate": 2.5}), "1.3"),
    "aiperf-constant": aiperf(phases({"type": "constant", "rate": 2.5}), "1.3"),
    "aiperf-users": aiperf(phases({"type": "user_centric", "rate": 2.5, "users": 40}), "1.3"),
    "genai-perf-flat": aiperf({"concurrency": None, "request_rate": 2.5}, None),
    "genai-perf-nested": aiperf({"perf_analyzer": {"stimulus": {"request_rate": 2.5}}}, None),
    "guidellm-0.3": guidellm({"type_": "async", "rate": 2.5}, None),
    "guidellm-0.5": guidellm({"type_": "poisson", "rate": 2.5, "max_concurrency": 10240}),
    "inference-perf": stage(requested_rate=2.5),
    "llm-d-0.1": report_v1("guidellm", {"profile": "constant", "rate": [2.5]}),
    "llm-d-0.1-aiperf": report_v1("aiperf", {"loadgen": {"request_rate": 2.5}}),
    "llm-d-0.2": report_v2("inference-perf", rate_qps=2.5),
}


@pytest.mark.parametrize("tool", sorted(OPEN_LOOPS))
def test_a_finite_rate_is_an_open_loop(tmp_path: Path, tool: str) -> None:
    assert load_of(tmp_path, OPEN_LOOPS[tool]) == ("request-rate", 2.5)


OFFLINE_LOADS = {
    "vllm": VLLM | {"max_concurrency": None},
    "vllm-before-0.6": {k: v for k, v in VLLM.items() if k != "max_concurrency"},
    "sglang": SGLANG | {"max_concurrency": None},
    "sglang-offline": OFFLINE,
    "guidellm": guidellm({"type_": "throughput", "max_concurrency": None}),
    "llm-d-0.1": report_v1("vllm-benchmark", {"request_rate": "inf", "max_concurrency": None}),
}


@pytest.mark.parametrize("tool", sorted(OFFLINE_LOADS))
def test_an_unlimited_rate_without_a_limit_on_clients_is_offline(tmp_path: Path, tool: str) -> None:
    assert load_of(tmp_path, OFFLINE_LOADS[tool])[0] == "offline"


def test_old_results_of_sglang_have_rates_of_tokens_and_no_first_token(tmp_path: Path) -> None:
    kept = ("backend", "request_rate", "completed", "duration", "input_throughput",
            "output_throughput")  # fmt: skip
    (got,) = measured(tmp_path, {name: SGLANG[name] for name in kept})
    assert got.load == Load("offline", 0.0, 1024, 128, requests=80)
    assert got.output_tok_s == 256.0
    assert math.isnan(got.ttft_s)


def test_every_run_of_a_list_is_read(tmp_path: Path) -> None:
    found = measured(tmp_path, [VLLM, RATE])
    assert [m.load.kind for m in found] == ["concurrency", "request-rate"]


def test_of_a_rate_and_a_limit_the_one_that_held_is_the_load(tmp_path: Path) -> None:
    """2 requests/s of 2.66 s are 5.3 in flight: far from 64, and as many as 6 permit."""
    both = RATE | {"request_rate": 2.0}
    assert load_of(tmp_path, both | {"max_concurrency": 64}) == ("request-rate", 2.0)
    assert load_of(tmp_path, both | {"max_concurrency": 6}) == ("concurrency", 6)
    # Without the mean latency it follows from the times to the first and of each further token.
    short = {k: v for k, v in both.items() if k != "mean_e2el_ms"}
    assert load_of(tmp_path, short | {"max_concurrency": 64}) == ("request-rate", 2.0)
    blind = {k: v for k, v in short.items() if k != "mean_ttft_ms"}
    with pytest.raises(InputError, match="does not show which of the two determined the load"):
        load_of(tmp_path, blind | {"max_concurrency": 64})


WITHOUT_LOAD = {
    "vllm": ({k: v for k, v in VLLM.items() if "conc" not in k and k != "request_rate"},
             "no request_rate and no max_concurrency"),
    "aiperf-1.0": (aiperf({"loadgen": {"request_count": 80}}), r"no input_config\.loadgen\.conc"),
    "aiperf-other": (aiperf({"load": {"clients": 8}}), r"no input_config\.concurrency and no"),
    "aiperf-bare": ({k: v for k, v in aiperf({}).items() if k != "input_config"},
                    "no input_config"),
    "aiperf-1.3": (aiperf(phases(), "1.3"), r"input_config\.phases has no phase but warm-up"),
    "aiperf-rate": (aiperf(phases({"type": "poisson"}), "1.3"), r"no input_config\..*\.rate"),
    "guidellm": ({"benchmarks": [{"metrics": guidellm({})["benchmarks"][0]["metrics"]}]},
                 r"no config\.strategy and no args\.strategy"),
    "guidellm-rate": (guidellm({"type_": "constant"}), "no rate of the strategy constant"),
    "inference-perf": (stage(), r"no load_summary\.requested_rate .* no config\.yaml in the"),
    "llm-d-0.1": (report_v1("vllm-benchmark", {}), r"no scenario\.load\.args\.request_rate and"),
    "llm-d-0.1-sweep": (report_v1("guidellm", {"profile": "sweep", "rate": [10]}), "'sweep'"),
    "llm-d-0.2": (report_v2("guidellm"), r"no scenario\.load\.standardized\.rate_qps and no"),
}  # fmt: skip


@pytest.mark.parametrize("tool", sorted(WITHOUT_LOAD))
def test_a_load_that_is_not_in_the_file_is_refused_or_stated(tmp_path: Path, tool: str) -> None:
    document, missing = WITHOUT_LOAD[tool]
    with pytest.raises(InputError, match=missing) as caught:
        measured(tmp_path, document)
    assert str(caught.value).startswith(str(tmp_path / "r.json"))
    assert "state it with --load and --value" in str(caught.value)
    (got,) = measured(tmp_path, document, Stated("concurrency", 8))
    assert (got.load.kind, got.load.value) == ("concurrency", 8)
    assert got.output_tok_s == pytest.approx(256.0)


@pytest.mark.parametrize("text", [AIPERF_CSV, GENAI_CSV], ids=["aiperf", "genai-perf"])
def test_a_csv_export_has_everything_but_the_load(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="give the JSON export of the same run; state it with"):
        measured(tmp_path, text, name="r.csv")
    (got,) = measured(tmp_path, text, Stated("concurrency", 8), name="r.csv")
    assert got.load == Load("concurrency", 8, 1024, 128, requests=80)
    assert (got.output_tok_s, got.tpot_s, got.ttft_s) == pytest.approx((256.0, 0.02, 0.12))


def test_what_is_stated_must_be_missing_and_complete(tmp_path: Path) -> None:
    for stated, option in (
        (Stated("offline"), "--load"),
        (Stated(prompt_tok=5), "--isl"),
        (Stated(output_tok=5), "--osl"),
    ):
        with pytest.raises(InputError, match=f"{option} is given, but every file states that"):
            measured(tmp_path, VLLM, stated)
    with pytest.raises(InputError, match="--load concurrency needs --value"):
        Stated("concurrency")
    with pytest.raises(InputError, match="--value needs --load"):
        Stated(value=8)


def test_lengths_and_batches_are_stated_where_vllm_leaves_them_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no length of prompts in the file; state it with --isl"):
        measured(tmp_path, THROUGHPUT)
    (got,) = measured(tmp_path, THROUGHPUT, Stated(prompt_tok=1024, output_tok=128))
    assert got.load == Load("offline", 0.0, 1024, 128, requests=1000)
    assert got.output_tok_s == pytest.approx(100 * 128)
    with pytest.raises(InputError, match=r"no batch size \(--load static-batch\)"):
        measured(tmp_path, LATENCY)
    (got,) = measured(tmp_path, LATENCY, Stated("static-batch", 8, 32, 128))
    assert got.load == Load("static-batch", 8, 32, 128)
    assert got.output_tok_s == pytest.approx(8 * 128 / 2.0)
    with pytest.raises(InputError, match=r"no throughput in the file for a load of concurrency 8"):
        measured(tmp_path, LATENCY, Stated("concurrency", 8, 32, 128))


def test_stages_of_inference_perf_find_their_load_in_the_settings(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "load:\n  type: poisson\n  stages:\n  - {rate: 2.5, duration: 30}\n"
        "  - {num_requests: 40, concurrency_level: 4}\n"
    )
    for name, expected in (
        ("stage_0_lifecycle_metrics.json", ("request-rate", 2.5)),
        ("stage_1_lifecycle_metrics.json", ("concurrency", 4)),
    ):
        assert load_of(tmp_path, stage(), name) == expected
    # Older reports of a stage with clients contain a rate that was never meant.
    report, name = stage(requested_rate=40.0), "stage_1_lifecycle_metrics.json"
    assert load_of(tmp_path, report, name) == ("concurrency", 4)
    with pytest.raises(InputError, match=r"config\.yaml has none for this stage"):
        load_of(tmp_path, stage(), "stage_2_lifecycle_metrics.json")
    with pytest.raises(InputError, match=r"a summary of 2 stages .* give the stage_N_lifecycle"):
        load_of(tmp_path, stage(), "summary_lifecycle_metrics.json")
    (tmp_path / "config.yaml").write_text("load: {stages: [{rate: 2.5}]}\n")
    assert load_of(tmp_path, stage(), "summary_lifecycle_metrics.json") == ("request-rate", 2.5)


def test_newer_reports_of_inference_perf_name_lengths_as_tokens(tmp_path: Path) -> None:
    report = stage(requested_rate=2.0)
    done = report["successes"]
    done["prompt_tokens"] = {
        "total": 81920.0,
        "cached": 0.0,
        "mean": done.pop("prompt_len")["mean"],
    }
    (got,) = measured(tmp_path, report)
    assert (got.load.prompt_tok, got.load.output_tok) == (1024, 128)


def test_embeddings_are_measured_by_their_prompts(tmp_path: Path) -> None:
    (got,) = measured(tmp_path, EMBEDDING)
    assert got.load == Load("request-rate", 100.0, 512, 0, requests=800)
    assert got.output_tok_s == pytest.approx(51200.0)
    assert (got.ttft_s, math.isnan(got.tpot_s)) == (0.025, True)
    # The latency of an offline load is the wait in its own queue.
    (got,) = measured(tmp_path, EMBEDDING | {"request_rate": "inf"})
    assert (got.load.kind, math.isnan(got.ttft_s)) == ("offline", True)
    summary = aiperf({"loadgen": {"concurrency": 8}})
    silent = ("output_sequence_length", "output_token_throughput", "inter_token_latency",
              "time_to_first_token")  # fmt: skip
    (got,) = measured(tmp_path, {k: v for k, v in summary.items() if k not in silent})
    assert got.load == Load("concurrency", 8, 1024, 0, requests=80)
    assert (got.output_tok_s, got.ttft_s) == pytest.approx((2048.0, 2.66))


def test_requests_one_by_one_are_a_log(tmp_path: Path) -> None:
    requests = [aiperf_request(n) for n in range(4)]
    warmup = aiperf_request(9)
    warmup["metadata"]["benchmark_phase"] = "warmup"
    lines = "\n".join(
        map(json.dumps, [warmup, *requests, {**aiperf_request(7), "error": {"a": 1}}])
    )
    listed = json.dumps([perf_request(n) for n in range(4)])
    for name, text in (("profile_export.jsonl", lines), ("per_request.json", listed)):
        (got,) = measured(tmp_path, text, name=name)
        assert got.log is not None
        assert got.log.table.arrival_s == pytest.approx([0.0, 0.5, 1.0, 1.5], abs=1e-6)
        assert (got.tpot_s, got.ttft_s) == pytest.approx((0.02, 0.12), rel=1e-4)
    silent = aiperf_request(0)
    del silent["metrics"]["time_to_first_token"]
    with pytest.raises(InputError, match=r"r\.json:1: .* a calibration needs streamed answers"):
        measured(tmp_path, silent)


REFUSED: list[tuple[str, Any, str]] = [
    ("a.json", "{", "not valid JSON"),
    ("a.json", "[1]", "expected a JSON object"),
    ("a.json", "{}", "not a result of vLLM, SGLang, .*: found nothing"),
    ("a.json", {"speed": 5, "model": "x"}, "not a result of .*: found 'speed', 'model'"),
    ("a.json", VLLM | {"completed": 0}, "completed must be a number above zero, not 0"),
    ("a.json", VLLM | {"completed": True}, "completed must be a number above zero"),
    ("a.json", VLLM | {"completed": 10**400}, r"above zero, not 10{39}\.\.\."),
    ("a.json", VLLM | {"failed": 40}, "40 of [0-9]+ requests failed"),
    ("a.json", VLLM | {"request_rate": "fast"}, "request_rate must be .*, or inf, not 'fast'"),
    ("a.json", SGLANG | {"request_rate": "trace"}, "request_rate is 'trace'.*give a log"),
    ("a.json", VLLM | {"ramp_up_strategy": "linear"}, "ramp_up_strategy .* needs a constant load"),
    ("a.json", {"benchmarks": [{}]}, "a GuideLLM benchmark without metrics"),
    ("a.json", guidellm({"type_": "replay"}), "is 'replay', whose arrivals .* known are synch"),
    ("a.json", guidellm({}, 9), "a GuideLLM report of version 9 .* known are 1 and 2"),
    ("a.json", {"benchmarks": [{"type_": "embeddings_benchmark"}]}, "a embeddings_benchmark of"),
    ("a.json", aiperf({}, "2.0"), r"schema_version '2\.0' of AIPerf 0\.10\.0; known are"),
    ("a.json", aiperf({"input": {"fixed_schedule": True}}), "at the times of a trace"),
    ("a.json", aiperf({"input": {"custom_dataset_type": "mooncake_trace"}}), "times of a trace"),
    ("a.json", aiperf(phases({"type": "fixed_schedule"}), "1.3"), r"give profile_export\.jsonl"),
    ("a.json", aiperf(phases({"type": "poisson", "rate_series": {"a": 1}}), "1.3"), "rate_series"),
    ("a.json", aiperf(phases({"type": "waves"}), "1.3"), "a phase of type 'waves'; known are"),
    ("a.json", aiperf(phases({"type": "concurrency"}, {"type": "concurrency", "name": "more"})),
     "2 phases are in the results together"),
    ("a.json", report_v1("vllm-benchmark", {}) | {"version": "0.9"}, "'0.9' of the Benchmark"),
    ("a.json", report_v2("guidellm", parallelism=4, rate_qps=2), "other load generators ran"),
    ("a.csv", TABLE.replace("load_kind", "kind"), "missing column 'load_kind'"),
    ("a.csv", TABLE.replace("concurrency", "siege"),
     "2:1: load_kind must be one of concurrency, .*, not .siege."),
    ("a.csv", TABLE.replace(",256,", ",,"), "output_tok_s must be a number above zero"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "document", "message"), REFUSED)
def test_files_that_cannot_be_used_say_why(
    tmp_path: Path, name: str, document: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        measured(tmp_path, document, name=name)
    assert str(caught.value).startswith(str(tmp_path / name))


DEPLOYED = ["--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--weights", "fp8"]


def test_a_fit_that_is_off_by_half_writes_nothing(tmp_path: Path) -> None:
    """A 70B on one card is no 8B: the message names the measurements and what to check."""
    path, out = tmp_path / "slow.json", tmp_path / "mine.yaml"
    path.write_text(json.dumps(VLLM | {"output_throughput": 25.0, "mean_tpot_ms": 300.0}))
    result = CliRunner().invoke(app, ["calibrate", str(path), *DEPLOYED, "--out", str(out)])
    assert isinstance(result.exception, InputError)
    assert result.stdout == ""
    assert not out.exists()
    (line,) = str(result.exception).splitlines()
    assert "predicted throughput is off by" in line
    assert "slow.json (concurrency 8, 1024/128 tokens) +" in line
    assert "check the model, the GPUs, the precision of the weights, and the loads" in line


def test_the_command_takes_a_stated_load(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(AIPERF_CSV)
    command = ["calibrate", str(path), *DEPLOYED, "--output", "json"]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, InputError)
    assert "--load and --value" in str(result.exception)
    result = CliRunner().invoke(app, [*command, "--load", "concurrency", "--value", "8"])
    assert result.exit_code == 0, result.exception
    assert json.loads(result.stdout)["points"] == 1
    path = tmp_path / "latency.json"
    path.write_text(json.dumps(LATENCY | {"avg_latency": 0.75}))
    command = ["calibrate", str(path), *DEPLOYED, "--output", "json"]
    stated = ["--load", "static-batch", "--value", "8", "--isl", "1024", "--osl", "128"]
    result = CliRunner().invoke(app, [*command, *stated])
    assert result.exit_code == 0, result.exception


def test_an_embedding_model_is_calibrated(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(EMBEDDING | {"request_rate": "inf"}))
    command = ["calibrate", str(path), "--model", "bge-m3", "--gpu", "l4", "--output", "json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.exception
    document = json.loads(result.stdout)
    assert document["median_error"]["throughput"] < 0.1
    assert document["median_error"]["tpot"] is None
    path.write_text(json.dumps(VLLM))
    result = CliRunner().invoke(app, command)
    assert "128 tokens): bge-m3 generates no output tokens" in str(result.exception)
