"""Predictions against measured public benchmarks.

The bounds are figures of ``docs/validation.md``, rounded up, which are medians and 90 % quantiles
over all points. In the sample, a stratified tenth of the points, a quarter instead of a half must
be within the bound of the median, and three quarters instead of nine tenths within the other one:
chance takes a sample of forty points that far from all points at most three times in a thousand.
Predictions that are 30 % too high or too low exceed the bounds in every class.
"""

import csv
import gzip
import os
import re
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import fit
import live
import numpy as np
import pytest
from points import Measured, errors_of, measured_tok_s, read_all
from report import in_band, kind

from simulator.scenario.document.document import read_yaml, validate
from tests.support.checkout import BOTH, SAMPLES, on_sample, on_whole

pytestmark = pytest.mark.slow


class Predicted(NamedTuple):
    """Points with the logarithms of predicted over measured figures, and what they must show."""

    points: list[Measured]
    errors: np.ndarray
    middle: float
    """Share of points whose error is below the bound of the median."""
    most: float
    """Share of points whose error is below the bound of nine tenths."""


@pytest.fixture(scope="module", params=BOTH)
def predicted(request: pytest.FixtureRequest) -> Predicted:
    data = request.param
    points = [m for m in read_all(data) if m.is_fitted]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        errors = errors_of(points, pool)
    shares = (0.25, 0.75) if data == SAMPLES else (0.5, 0.9)
    return Predicted(points, errors, *shares)


def is_closed(m: Measured) -> bool:
    """Whether it is of the closed loops and offline runs of calibration.csv.gz."""
    return m.requests is None and "num_prompts" not in m.row


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
    predicted: Predicted, wanted: str, median: float, tail: float
) -> None:
    chosen = np.array([kind(m) == wanted and is_closed(m) for m in predicted.points])
    assert chosen.sum() >= 40
    off = np.abs(np.expm1(predicted.errors[chosen, 0]))
    assert np.isfinite(off).mean() > 0.9
    assert np.nanquantile(off, predicted.middle) < median
    assert np.nanquantile(off, predicted.most) < tail


def test_stated_bands_hold(predicted: Predicted) -> None:
    assert np.nanmean(in_band(predicted.points, predicted.errors)) > 0.85


def test_latencies_of_dense_models(predicted: Predicted) -> None:
    dense = [kind(m) == "dense" for m in predicted.points]
    off = np.abs(np.expm1(predicted.errors[dense]))
    assert np.nanquantile(off[:, 1], predicted.middle) < 0.08
    assert np.nanquantile(off[:, 2], predicted.middle) < 0.23


@pytest.mark.parametrize(
    ("regime", "throughput", "tpot", "ttft"),
    [
        ("below saturation", 0.06, 0.10, 0.20),
        ("near it", 0.06, 0.30, 0.45),
        ("above it", 0.06, 0.10, 0.30),
    ],
)
def test_open_loops_of_stated_settings(
    predicted: Predicted, regime: str, throughput: float, tpot: float, ttft: float
) -> None:
    """All of them are in the sample, too."""
    found = np.abs(np.expm1(live.regimes(predicted.points, predicted.errors)[regime]))
    assert (np.nanmedian(found, axis=0) < (throughput, tpot, ttft)).all()


def test_logged_requests_take_as_long_as_is_predicted(predicted: Predicted) -> None:
    logged = live.logged(predicted.points)
    assert len(logged) == 2
    for name, figures in logged:
        got, measured = figures["E2E"]
        assert got == pytest.approx(measured, rel=0.15), name


@pytest.mark.parametrize(("data", "logs"), [on_sample(7), on_whole(8)])
def test_kv_blocks_of_all_logs(data: Path, logs: int) -> None:
    off = [abs(p / m - 1) for _, p, m in live.kv_blocks(data / "kv_blocks.csv")]
    assert len(off) == logs
    assert np.median(off) < 0.04
    assert sorted(off)[-3] < 0.09


def test_no_deployment_is_missed_on_all_its_points(predicted: Predicted) -> None:
    """A reading gone wrong shows as one deployment that is off by a factor throughout."""
    groups = defaultdict(list)
    for m, error in zip(predicted.points, predicted.errors[:, 0], strict=True):
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


def test_samples_come_from_the_sources_that_their_page_names() -> None:
    """Others may not be copied."""
    page = (SAMPLES.parent / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w.-]+)`", page.replace("`-v", "`trtllm-docs-v")))
    for name in ("calibration.csv.gz", "stated_settings.csv.gz"):
        with gzip.open(SAMPLES / name, "rt", newline="") as file:
            sources = {row["source"] for row in csv.DictReader(file)}
        assert sources
        assert sources <= named
