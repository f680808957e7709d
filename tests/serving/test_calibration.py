"""Calibration: what was put in comes out, files are read, and what is not known is said."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fuzz.results import VLLM
from simulator.analysis.bench.benchmark import Serving, logged_requests, replay, run_benchmark
from simulator.analysis.bench.calibration import Measurement, calibrate, with_factors
from simulator.analysis.bench.loads import Load
from simulator.cli.app import app
from simulator.errors import InputError
from simulator.scenario.bench.benchmark import named_deployment
from simulator.scenario.building.study import load_study
from simulator.scenario.tables.measurements import read_measurements
from simulator.scenario.tables.request_log import REQUEST_COLUMNS
from simulator.serving.deployment import Deployment
from tests.support.scenarios import write_scenario

TRUE = {"overhead": 1.3, "compute": 1.25, "memory": 1.1, "request": 2.0}
DEPLOYED = ["--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--weights", "fp8"]


def deployed() -> Deployment:
    return named_deployment("llama-3.1-8b", "h100-sxm", weight_precision="fp8")[0]


def measured(found: Deployment, load: Load) -> Measurement:
    b = run_benchmark(found, load, Serving())
    return Measurement(load, b.output_tok_s, float(b.tpot_s.mean()), float(b.ttft_s.mean()))


def loads(*clients: float, prompt_tok: int = 1024, output_tok: int = 128) -> list[Load]:
    return [Load("concurrency", c, prompt_tok, output_tok, 0.8) for c in clients]


@pytest.mark.slow
def test_a_deployment_is_recognised_from_its_own_benchmarks() -> None:
    """Points of two shapes, made with known factors, predict a third shape to a few per cent."""
    true = with_factors(deployed(), TRUE)
    seen = [*loads(1, 8, 64, 128), *loads(4, 32, prompt_tok=4096)]
    found = calibrate(deployed(), [measured(true, load) for load in seen], Serving())
    assert np.abs(found.errors).max() < 0.03
    for name, value in TRUE.items():
        assert np.log(found.factors[name]) == pytest.approx(np.log(value), abs=0.15)
    assert found.kept == ()
    low, high = found.band
    assert 0.8 < low < 1 < high < 1.25
    unsimulated = Load("concurrency", 48, 512, 512)
    predicted = run_benchmark(with_factors(deployed(), found.factors), unsimulated, Serving())
    assert predicted.output_tok_s == pytest.approx(
        measured(true, unsimulated).output_tok_s, rel=0.04
    )


@pytest.mark.slow
def test_one_point_fits_a_scale_and_a_wide_band() -> None:
    slow = with_factors(deployed(), {"scale": 1.4})
    one = calibrate(deployed(), [measured(slow, loads(16)[0])], Serving())
    assert list(one.factors) == ["scale"]
    assert 1.25 < one.factors["scale"] < 1.45
    many = calibrate(deployed(), [measured(slow, load) for load in loads(1, 16, 128)], Serving())
    assert one.band[0] < many.band[0] < many.band[1] < one.band[1]


def shipped_width(found: Deployment) -> float:
    return np.log(found.coefficients.band_high / found.coefficients.band_low)


@pytest.mark.slow
def test_own_evidence_narrows_the_band() -> None:
    """The more points of one's own that the model explains, the narrower; never wider than
    shipped."""
    true, widths = with_factors(deployed(), {"overhead": 1.2}), []
    points = [measured(true, load) for load in loads(1, 2, 4, 8, 16, 32, 64, 128)]
    for count in (1, 4, 8):
        low, high = calibrate(deployed(), points[:count], Serving()).band
        widths.append(np.log(high / low))
    assert shipped_width(deployed()) > widths[0] > widths[1] > widths[2]


@pytest.mark.slow
def test_a_factor_unlike_any_deployment_is_doubted() -> None:
    """A proxy of half a second that was measured along is no engine's time per request."""
    true = with_factors(deployed(), {"request": 30.0})
    found = calibrate(deployed(), [measured(true, load) for load in loads(1, 4, 16)], Serving())
    assert found.doubtful == ("request",)


def test_a_log_of_requests_corrects_a_server(tmp_path: Path) -> None:
    rng, size = np.random.default_rng(5), 400
    true = with_factors(deployed(), TRUE)
    prompt_tok = rng.integers(200, 3000, size).astype(np.int32)
    output_tok = rng.integers(50, 400, size).astype(np.int32)
    table = logged_requests(np.cumsum(rng.exponential(0.1, size)), prompt_tok, output_tok)
    b = replay(true, table, Serving())
    rows = zip(
        table.arrival_s, prompt_tok, output_tok, table.arrival_s + b.ttft_s,
        table.arrival_s + b.e2e_s, strict=True,
    )  # fmt: skip
    path = tmp_path / "requests.csv"
    lines = [",".join(REQUEST_COLUMNS), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines))
    found = calibrate(deployed(), read_measurements([path]), Serving())
    again = replay(with_factors(deployed(), found.factors), table, Serving())
    before = replay(deployed(), table, Serving())
    assert again.e2e_s.mean() == pytest.approx(b.e2e_s.mean(), rel=0.03)
    assert abs(before.e2e_s.mean() / b.e2e_s.mean() - 1) > 0.1
    for broken, message in (
        (lines[1].replace(".", ".x", 1), r"2: arrival_s must be a number, not '.*\.x"),
        ("5,100,10,4,6", "2: expected arrival_s < first_token_s <= finished_s"),
        ("5,100,0,6,7", "2: expected at least one prompt token and one output token"),
        ("5,1e12,10,6,7", "2: no request has more than 1,000,000,000 tokens"),
    ):
        path.write_text(f"{lines[0]}\n{broken}\n")
        with pytest.raises(InputError, match=message):
            read_measurements([path])


def test_what_the_points_cannot_tell_stays_with_its_prior() -> None:
    """Single requests with tiny prompts say nothing of computing."""
    true = with_factors(deployed(), {"compute": 3.0})
    seen = [Load("concurrency", 1, 8, tokens) for tokens in (64, 128, 256)]
    points = [replace(measured(true, load), ttft_s=np.nan) for load in seen]
    found = calibrate(deployed(), points, Serving())
    assert "compute" in found.kept
    assert found.factors["compute"] == pytest.approx(1.0, abs=0.2)
    with pytest.raises(InputError, match="nothing to calibrate with"):
        calibrate(deployed(), [], Serving())


@pytest.mark.slow
def test_the_command_writes_what_scenarios_read(tmp_path: Path) -> None:
    """Calibrated on points of a slower deployment, a scenario becomes slower and surer."""
    slow = with_factors(deployed(), {"overhead": 1.5, "memory": 1.3})
    rows = ["isl,osl,range_ratio,load_kind,load_value,output_tok_s,tpot_mean_ms,ttft_mean_ms"]
    for load in loads(1, 8, 32, 128):
        m = measured(slow, load)
        rows.append(
            f"1024,128,0.8,concurrency,{load.value},{m.output_tok_s},{m.tpot_s * 1e3},"
            f"{m.ttft_s * 1e3}"
        )
    table, out = tmp_path / "mine.csv", tmp_path / "mine.yaml"
    table.write_text("\n".join(rows) + "\n")
    command = ["calibrate", str(table), *DEPLOYED, "--out", str(out), "--output", "json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["points"] == 4
    assert document["median_error"]["throughput"] < 0.02
    settings = [
        "options.own.model=llama-3.1-8b",
        "options.own.accelerator=h100-sxm",
        "options.own.gpus_per_replica=1",
        "options.own.weight_precision=fp8",
    ]
    path = write_scenario(tmp_path / "small.yaml")
    plain, fitted = (
        next(o for o in load_study(path, settings + more).options if o.name == "own")
        for more in ([], [f"options.own.calibration={out.name}"])
    )
    assert fitted.fleet.step_time.token_s[8] > 1.2 * plain.fleet.step_time.token_s[8]
    assert fitted.speed.low > plain.speed.low
    with pytest.raises(
        InputError, match=r"the file calibrates 'h100-sxm tp1 vllm llama-3\.1-8b fp8'"
    ):
        load_study(
            path,
            [
                *settings[:3],
                "options.own.weight_precision=bf16",
                f"options.own.calibration={out.name}",
            ],
        )


def test_few_benchmarks_are_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(VLLM))
    result = CliRunner().invoke(app, ["calibrate", str(path), *DEPLOYED])
    assert result.exit_code == 0, result.stderr
    assert "fewer than three benchmarks" in result.stderr
    assert "error band of throughput" in result.stdout
