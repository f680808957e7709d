"""Counts that an export lacks are not taken for zero, and no row is the total of others."""

from pathlib import Path
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.library.bills import reproduce_bill
from simulator.traffic.usage.catalog import read_usage
from simulator.traffic.usage.fit import fit_usage
from tests.support.traffic.usage_exports import refusal, table


def days(count: int, **change: object) -> list[dict[str, Any]]:
    fields = {"model": "gpt-5", "requests": 10, "input_tokens": 2000, "output_tokens": 500}
    return [{"day": f"2026-11-{day + 1:02}", **fields, **change} for day in range(count)]


def test_unknown_outputs_are_no_outputs_of_zero(tmp_path: Path) -> None:
    path = table(tmp_path, *days(3, output_tokens=""))
    with pytest.raises(InputError, match="gpt-5: the export has no output tokens"):
        fit_usage(read_usage(path)[0])
    total = reproduce_bill(str(path)).to_dict()["total"]
    assert total["rows_without_price"] == 3


def test_models_of_embeddings_have_no_output(tmp_path: Path) -> None:
    rows = days(3, model="text-embedding-3-small", output_tokens="")
    fit = fit_usage(read_usage(table(tmp_path, *rows))[0])
    assert fit.workloads[0].completion_tok == 0


@pytest.mark.parametrize(
    ("column", "what"),
    [("requests", "calls"), ("input_tokens", "prompt tokens"), ("output_tokens", "output tokens")],
)
def test_a_count_that_some_buckets_lack_is_refused(tmp_path: Path, column: str, what: str) -> None:
    rows = days(14)
    rows[3][column] = ""
    usage = read_usage(table(tmp_path, *rows))[0]
    with pytest.raises(InputError, match=f"gpt-5: {what} are unknown in 1 of 14 buckets"):
        fit_usage(usage)


def test_a_gap_that_hardly_matters_is_left_out_and_told(tmp_path: Path) -> None:
    rows = days(14)
    rows[3] |= {"requests": "", "input_tokens": 20, "output_tokens": 5}
    fit = fit_usage(read_usage(table(tmp_path, *rows))[0])
    assert fit.workloads[0].input_tok == 200
    assert "1 of 14 buckets are left out, since their calls are unknown." in fit.remarks[0]


def test_a_name_that_is_the_total_of_the_others_is_refused(tmp_path: Path) -> None:
    small = days(3, model="gpt-5-mini", requests=7, input_tokens=900, output_tokens=100)
    both = days(3, model="all", requests=17, input_tokens=2900, output_tokens=600)
    assert "(model all) is the total of all others" in refusal(
        table(tmp_path, *days(3), *small, *both)
    )
    both[1]["requests"] = 18
    assert read_usage(table(tmp_path, *days(3), *small, *both))[0].size == 9
