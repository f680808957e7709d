"""Quantities with units: what they come to, where they may stand, and what is refused."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.economics.interval import Interval, Listed, Lognormal, Uniform
from simulator.errors import InputError
from simulator.scenario.building.study import load, load_study
from simulator.scenario.resolve.load import check_scenario, read_document
from simulator.scenario.resolve.quantities import in_unit
from simulator.scenario.schema.scenario import Scenario
from simulator.scenario.variations.sweep import read_sweep, sweep_points
from tests.support.scenarios import write_scenario
from tests.support.tiny import tiny, write_tiny

MONTH_H = 730


@pytest.mark.parametrize(
    ("path", "said", "expected"),
    [
        ("slo.ttft_s", "2s", 2),
        ("slo.ttft_s", "500ms", 0.5),
        ("slo.tpot_s", "60 ms", 0.06),
        ("slo.e2e_s", "2min", 120),
        ("slo.e2e_s", "1.5 minutes", 90),
        ("traffic.chat.gap_s.most", "1h", 3600),
        ("traffic.chat.gap_s.median", "0.5 hours", 1800),
        ("horizon_hours", "7d", 168),
        ("horizon_hours", "2 weeks", 336),
        ("horizon_hours", "90min", 1.5),
        ("future.months", "2y", 24),
        ("options.own.purchase.life_years", "18 months", 1.5),
        ("traffic.chat.requests_per_month", "3.2/s", 3.2 * MONTH_H * 3600),
        ("traffic.chat.requests_per_month", "10M/month", 10e6),
        ("traffic.chat.requests_per_month", "10M", 10e6),
        ("traffic.chat.requests_per_month", "1k per hour", 1000 * MONTH_H),
        ("traffic.chat.requests_per_month", "365k/day", 365_000 * MONTH_H / 24),
        ("people.engineer_usd_per_year", "$200k", 200_000),
        ("people.engineer_usd_per_year", "$20k/month", 240_000),
        ("options.own.rent_usd_per_gpu_hour", "$1.80/h", 1.8),
        ("options.own.rent_usd_per_gpu_hour", "1.80", 1.8),
        ("options.own.rent_usd_per_gpu_hour", "$1460/month", 2),
        ("people.tooling_usd_per_month", "$2k", 2000),
        ("traffic.chat.max_prompt_tokens", "32k", 32_000),
        ("traffic.chat.max_prompt_tokens", "32Ki", 32_768),
        ("traffic.chat.max_prompt_tokens", "0.5M", 500_000),
        ("traffic.chat.max_prompt_tokens", "1_000", 1000),
        ("slo.attainment", "95%", 0.95),
        ("traffic.chat.stable_session_share", "12.5 %", 0.125),
        ("traffic.chat.growth_per_month", "3%", 0.03),
        ("options.own.memory_utilization", "90%", 0.9),
        ("analysis.volumes.0", "1.5k", 1500),
    ],
)
def test_a_quantity_is_a_number_in_the_unit_of_its_key(
    path: str, said: str, expected: float
) -> None:
    assert in_unit(tuple(path.split(".")), said) == pytest.approx(expected, rel=1e-14)


def said_in(folder: Path, **settings: str) -> Scenario:
    """The checked scenario with values as ``--set`` takes them; ``__`` stands for a dot."""
    path = write_tiny(folder / "tiny.yaml")
    return load(path, [f"{k.replace('__', '.')}={v}" for k, v in settings.items()]).scenario


def test_quantities_in_a_file(tmp_path: Path) -> None:
    said = tiny(slo={"ttft_s": "2s", "tpot_s": "60ms", "attainment": "95%"}, horizon_hours="2h")
    said["traffic"]["chat"] |= {
        "requests_per_month": "0.5/s",
        "gap_s": {"median": "500ms", "sigma": 1.0, "most": "10min"},
        "message_tokens": {"quantiles": {"p10": "24", "p50": "0.3k", "p99": "1k"}, "most": "2k"},
        "max_prompt_tokens": "16Ki",
        "stable_session_share": "95%",
    }
    said["options"]["own"]["rent_usd_per_gpu_hour"] = "$1.80/h"
    said["analysis"]["volumes"] = ["50", "1", "0.002k"]
    found = load(write_scenario(tmp_path / "s.yaml", said)).scenario
    assert (found.slo.ttft_s, found.slo.tpot_s, found.slo.attainment) == (2.0, 0.06, 0.95)
    assert found.horizon_hours == 2
    chat: Any = found.traffic["chat"]
    assert chat.requests_per_month == 0.5 * MONTH_H * 3600
    assert (chat.gap_s.median, chat.gap_s.most) == (0.5, 600)
    assert chat.message_tokens.quantiles == {"p10": 24, "p50": 300, "p99": 1000}
    assert (chat.max_prompt_tokens, chat.stable_session_share) == (16384, 0.95)
    own: Any = found.options["own"]
    assert own.rent_usd_per_gpu_hour == 1.8
    assert found.analysis.volumes == (50, 1, 2)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("{low: 0.1k, mid: 0.15k, high: 260}", Interval(100, 150, 260)),
        ("{uniform: [0.1k, 200]}", Uniform(100, 200)),
        ("{median: 0.15k, log_sd: 0.2}", Lognormal(150, 0.2)),
        ("{one_of: [0.3k, 100, 150]}", Listed((100, 150, 300))),
    ],
)
def test_quantities_within_distributions_of_any_number(
    tmp_path: Path, said: str, expected: object
) -> None:
    study = load_study(
        write_tiny(tmp_path / "tiny.yaml"), [f"traffic.chat.system_prompt_tokens={said}"]
    )
    (number,) = study.numbers
    assert number.distribution == expected


def test_quantities_within_intervals_of_prices(tmp_path: Path) -> None:
    study = load_study(
        write_tiny(tmp_path / "tiny.yaml"),
        [
            "people.engineer_usd_per_year={low: $150k, mid: $17.5k/month, high: 280k}",
            "options.own.rent_usd_per_gpu_hour={low: $1.8, mid: $2.5/h, high: 4}",
        ],
    )
    assert study.people.engineer_usd_per_year == Interval(150_000, 210_000, 280_000)
    (own,) = (option for option in study.options if option.name == "own")
    assert own.gpu_usd_per_hour == Interval(1.8, 2.5, 4)
    assert not study.numbers


def test_quantities_in_sweeps_are_plain_coordinates(tmp_path: Path) -> None:
    said = tiny(
        sweep={
            "grid": {
                "slo.ttft_s": ["500ms", "2s"],
                "traffic.chat.requests_per_month": {
                    "first": "100k", "last": "1.6M", "count": 3,
                },
            },
            "zip": {"options.own.rent_usd_per_gpu_hour": ["$2/h", 3]},
        }
    )  # fmt: skip
    said["sweep"]["zip"]["options.own.accelerator"] = ["h100-sxm", "h200-sxm"]
    document = read_document(write_scenario(tmp_path / "s.yaml", said))
    points = sweep_points(document, read_sweep(document))
    assert len(points) == 12
    assert points[-1].coordinates == {
        "ttft_s": 2,
        "requests_per_month": 1_600_000,
        "rent_usd_per_gpu_hour": 3,
        "accelerator": "h200-sxm",
    }
    assert [p.coordinates["ttft_s"] for p in points[:7:6]] == [0.5, 2]
    scenario, _ = check_scenario(points[2].document)
    assert scenario.traffic["chat"].requests_per_month == 400_000


BAD = [
    ("slo.ttft_s", "2k", "500ms, 2s"),
    ("slo.ttft_s", "2/s", "500ms, 2s"),
    ("slo.ttft_s", "95%", "500ms, 2s"),
    ("slo.attainment", "2s", "95% or 0.95"),
    ("traffic.chat.gap_s.median", "3.2/s", "500ms, 2s"),
    ("traffic.chat.requests_per_month", "10M/fortnight", "3.2/s, 10M/month"),
    ("traffic.chat.requests_per_month", "5s", "3.2/s, 10M/month"),
    ("traffic.chat.max_prompt_tokens", "2s", "32k, 1.5M or 32Ki"),
    ("traffic.chat.max_prompt_tokens", "95%", "32k, 1.5M or 32Ki"),
    ("options.own.max_sequences", "64 requests", "32k, 1.5M or 32Ki"),
]


@pytest.mark.parametrize(("path", "text", "example"), BAD)
def test_a_wrong_unit_is_one_line_with_its_place_and_an_example(
    tmp_path: Path, path: str, text: str, example: str
) -> None:
    said = tiny()
    *above, last = path.split(".")
    node = said
    for key in above:
        node = node[key]
    node[last] = text
    file = write_scenario(tmp_path / "s.yaml", said)
    with pytest.raises(InputError) as caught:
        load(file)
    match = re.fullmatch(rf"{re.escape(str(file))}:(\d+):(\d+): (\w+): (.*)", str(caught.value))
    assert match, str(caught.value)
    line = file.read_text().splitlines()[int(match[1]) - 1]
    assert line[int(match[2]) - 1 :].startswith(f"{last}:")
    assert repr(text) in match[4]
    assert example in match[4]
    with pytest.raises(InputError) as caught:
        load(write_tiny(file), [f"{path}={text}"])
    assert str(caught.value).startswith(f"--set {path}: ")
    assert example in str(caught.value)


def test_numbers_that_are_none_are_told_by_their_key(tmp_path: Path) -> None:
    """Neither of these looks like a quantity, whatever its key."""
    for key, text in (("engineers_fte", "lots"), ("engineer_usd_per_year", "a fortune")):
        with pytest.raises(InputError, match=rf"{key} must be a valid number"):
            said_in(tmp_path, **{f"people__{key}": text})


@pytest.mark.parametrize("name", ["2s", "500ms", "32k", "95%", "$2", "10M/month", "1.5"])
def test_names_may_look_like_quantities(tmp_path: Path, name: str) -> None:
    said = tiny(name=name)
    said["traffic"] = {name: said["traffic"]["chat"] | {"system_prompt_tokens": "1.8k"}}
    said["options"] = {
        name: said["options"]["own"], "hosted": said["options"]["hosted"],
        "both": {**said["options"]["hybrid"], "base": name},
    }  # fmt: skip
    found = load(write_scenario(tmp_path / "s.yaml", said))
    assert found.scenario.name == name
    assert list(found.scenario.traffic) == [name]
    assert found.study.options[2].base.name == name  # type: ignore[union-attr]
    workload: Any = found.scenario.traffic[name]
    assert workload.system_prompt_tokens == 1800


@pytest.mark.parametrize(
    "name", ["business_hours", "calls_s", "per_month", "market_share", "flat_rate", "days"]
)
def test_names_of_workloads_and_options_are_no_units(tmp_path: Path, name: str) -> None:
    said = tiny()
    said["traffic"] = {name: said["traffic"]["chat"] | {"max_prompt_tokens": "16k"}}
    said["options"] = {name: said["options"]["own"] | {"max_sequences": "1k"}}
    scenario = load(write_scenario(tmp_path / "s.yaml", said)).scenario
    workload, option = scenario.traffic[name], scenario.options[name]
    assert workload.max_prompt_tokens == 16_000  # type: ignore[union-attr]
    assert option.max_sequences == 1000  # type: ignore[union-attr]


MAGNITUDES = {"": 1, "k": 10**3, "M": 10**6, "Ki": 2**10, "Mi": 2**20}
TIMES_S = {"ms": 0.001, "s": 1, "sec": 1, "min": 60, "h": 3600, "hours": 3600, "d": 86400,
           "weeks": 604800, "month": 730 * 3600}  # fmt: skip
KEYS_S = {"ttft_s": 1, "horizon_hours": 3600, "deadline_hours": 3600, "mean_hours_between": 3600}
SPANS_S = {"s": 1, "min": 60, "h": 3600, "hour": 3600, "day": 86400, "month": 730 * 3600}
RATES_S = {"requests_per_month": 730 * 3600, "rent_usd_per_gpu_hour": 3600,
           "engineer_usd_per_year": 8760 * 3600}  # fmt: skip

AMOUNTS = st.decimals(0, 10**6, places=3).map(lambda d: f"{d.normalize():f}")


@pytest.mark.slow
@given(amount=AMOUNTS, key=st.sampled_from(sorted(KEYS_S)), unit=st.sampled_from(sorted(TIMES_S)))
def test_times_in_any_unit(amount: str, key: str, unit: str) -> None:
    expected = float(amount) * TIMES_S[unit] / KEYS_S[key]
    for text in (f"{amount}{unit}", f"{amount} {unit}"):
        assert in_unit((key,), text) == pytest.approx(expected, rel=1e-12)


@given(
    amount=AMOUNTS,
    key=st.sampled_from(sorted(RATES_S)),
    magnitude=st.sampled_from(sorted(MAGNITUDES)),
    span=st.sampled_from(sorted(SPANS_S)),
)
def test_rates_in_any_unit(amount: str, key: str, magnitude: str, span: str) -> None:
    expected = float(amount) * MAGNITUDES[magnitude] * RATES_S[key] / SPANS_S[span]
    for text in (f"{amount}{magnitude}/{span}", f"${amount} {magnitude} per {span}"):
        assert in_unit((key,), text) == pytest.approx(expected, rel=1e-12)
    alone = float(amount) * MAGNITUDES[magnitude]
    assert in_unit((key,), amount + magnitude) == pytest.approx(alone, rel=1e-12)


@given(amount=AMOUNTS, magnitude=st.sampled_from(sorted(MAGNITUDES)))
def test_counts_and_shares_in_any_unit(amount: str, magnitude: str) -> None:
    expected = float(amount) * MAGNITUDES[magnitude]
    assert in_unit(("max_prompt_tokens",), amount + magnitude) == pytest.approx(expected, rel=1e-12)
    share = in_unit(("stable_session_share",), f"{amount}%")
    assert share == pytest.approx(float(amount) / 100, rel=1e-12)


@given(percent=st.integers(0, 100))
def test_per_cent_are_the_hundredths_that_people_write(percent: int) -> None:
    assert in_unit(("attainment",), f"{percent}%") == float(
        f"0.{percent:02}" if percent < 100 else 1
    )


@given(text=st.text(max_size=12))
def test_any_text_is_a_number_or_an_error_of_one_line(text: str) -> None:
    for key in ("ttft_s", "requests_per_month", "stable_session_share", "max_prompt_tokens"):
        try:
            found, problem = in_unit((key,), text), ""
        except InputError as error:
            found, problem = 0, str(error)
        assert isinstance(found, int | float)
        assert len(problem.splitlines()) <= 1
