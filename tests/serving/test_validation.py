"""Predictions against measured public benchmarks, where the data are at hand."""

import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fit
import live
import numpy as np
import pytest
from points import Measured, errors_of, measured_tok_s, read_all
from report import in_band, kind

from simulator.scenario.document.document import read_yaml, validate
from tests.support.checkout import DATA

needs_points = pytest.mark.skipif(
    not (DATA / "stated_settings.csv.gz").is_file(),
    reason=f"public benchmark points are not at {DATA}",
)


@pytest.fixture(scope="module")
def predicted() -> tuple[list[Measured], np.ndarray]:
    points = [m for m in read_all(DATA) if m.is_fitted]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return points, errors_of(points, pool)


def is_closed(m: Measured) -> bool:
    """Whether it is of the closed loops and offline runs of calibration.csv.gz."""
    return m.requests is None and "num_prompts" not in m.row


@needs_points
@pytest.mark.parametrize(
    ("wanted", "median", "tail"),
    [
        ("dense", 0.065, 0.22),
        ("fine MoE", 0.105, 0.31),
        ("fine MoE, attention data-parallel", 0.13, 0.35),
        ("coarse MoE", 0.12, 0.30),
    ],
)
def test_throughput_of_public_benchmarks(
    predicted: tuple[list[Measured], np.ndarray], wanted: str, median: float, tail: float
) -> None:
    points, errors = predicted
    chosen = np.array([kind(m) == wanted and is_closed(m) for m in points])
    off = np.abs(np.expm1(errors[chosen, 0]))
    assert np.isfinite(off).mean() > 0.9
    assert np.nanmedian(off) < median
    assert np.nanquantile(off, 0.9) < tail


@needs_points
def test_stated_bands_hold(predicted: tuple[list[Measured], np.ndarray]) -> None:
    points, errors = predicted
    assert np.nanmean(in_band(points, errors)) > 0.85


@needs_points
def test_latencies_of_dense_models(predicted: tuple[list[Measured], np.ndarray]) -> None:
    points, errors = predicted
    off = np.abs(np.expm1(errors[[kind(m) == "dense" for m in points]]))
    assert np.nanmedian(off[:, 1]) < 0.08
    assert np.nanmedian(off[:, 2]) < 0.23


@needs_points
@pytest.mark.parametrize(
    ("regime", "throughput", "tpot", "ttft"),
    [
        ("below saturation", 0.06, 0.10, 0.20),
        ("near it", 0.06, 0.30, 0.45),
        ("above it", 0.06, 0.10, 0.30),
    ],
)
def test_open_loops_of_stated_settings(
    predicted: tuple[list[Measured], np.ndarray],
    regime: str,
    throughput: float,
    tpot: float,
    ttft: float,
) -> None:
    found = np.abs(np.expm1(live.regimes(*predicted)[regime]))
    assert (np.nanmedian(found, axis=0) < (throughput, tpot, ttft)).all()


@needs_points
def test_logged_requests_take_as_long_as_is_predicted(
    predicted: tuple[list[Measured], np.ndarray],
) -> None:
    for name, figures in live.logged(predicted[0]):
        got, measured = figures["E2E"]
        assert got == pytest.approx(measured, rel=0.15), name


@needs_points
def test_kv_blocks_of_all_logs() -> None:
    off = [abs(p / m - 1) for _, p, m in live.kv_blocks(DATA / "kv_blocks.csv")]
    assert np.median(off) < 0.04
    assert sorted(off)[-3] < 0.09


@needs_points
def test_no_deployment_is_missed_on_all_its_points(
    predicted: tuple[list[Measured], np.ndarray],
) -> None:
    """A reading gone wrong shows as one deployment that is off by a factor throughout."""
    points, errors = predicted
    groups = defaultdict(list)
    for m, error in zip(points, errors[:, 0], strict=True):
        if np.isfinite(error):
            groups[m.deployment].append(error)
    off = {d: np.exp(abs(np.median(e))) for d, e in groups.items() if len(e) >= 6}
    assert max(off.values()) < 2.2, max(off, key=off.__getitem__)


def test_throughput_follows_from_times_where_it_is_not_given() -> None:
    row = {
        "load_kind": "concurrency", "load_value": "8", "osl": "100", "range_ratio": "0.8",
        "ttft_mean_ms": "110", "tpot_mean_ms": "10",
    }  # fmt: skip
    assert measured_tok_s(row) == pytest.approx(8 * 90 / (0.110 + 89 * 0.010))
    assert measured_tok_s(row | {"output_tok_s": "500"}) == 500
    assert np.isnan(measured_tok_s(row | {"load_kind": "request-rate"}))


def test_shipped_coefficients_are_where_the_fit_writes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written is read back; everything else in the file stays."""
    shipped = fit.profiles_dir() / "serving.yaml"
    copy = tmp_path / "serving.yaml"
    copy.write_text(shipped.read_text())
    monkeypatch.setattr(fit, "profiles_dir", lambda: tmp_path)
    values = fit.values_at(fit.shipped_z())
    fit.write(values)
    written = validate(fit.ServingProfile, read_yaml(copy)).model_dump()
    for path, value in values.items():
        node = written
        for key in path.split("."):
            node = node[key]
        assert node == pytest.approx(value, rel=5e-3), path
    before, after = shipped.read_text().splitlines(), copy.read_text().splitlines()
    assert len(before) == len(after)
    changed = [b for b, a in zip(before, after, strict=True) if b.split("#")[0] != a.split("#")[0]]
    assert len(changed) <= len(values) + len(fit.SHARED)
    assert all("source" not in line for line in changed)


def test_a_step_of_the_fit_finds_what_was_put_in() -> None:
    """Errors that are linear in the coefficients are gone after a few steps, but for the priors."""
    rng = np.random.default_rng(5)
    size = len(fit.PRIORS)
    jacobian = rng.normal(size=(400, 3, size))
    wanted = rng.normal(size=size) * 0.5
    z = np.zeros(size)
    for _ in range(6):
        errors = jacobian @ (z - wanted)
        step, _ = fit.newton_step(errors, jacobian, z, np.ones((1, 3)) / 0.15)
        z = z + step
    np.testing.assert_allclose(z, wanted, atol=0.01)
