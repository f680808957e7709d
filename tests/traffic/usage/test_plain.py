"""The plain table of usage: columns by their names, lengths of buckets, sums that agree."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.traffic.usage.buckets import Bucket, Group, UsageTable
from simulator.traffic.usage.catalog import read_usage
from simulator.traffic.usage.formats.plain import SYNONYMS
from tests.support.checkout import ROOT
from tests.support.traffic.usage_exports import (
    DAY,
    columns,
    document,
    known,
    read,
    refusal,
    table,
)

HOUR = 3600


def row(**change: object) -> dict[str, Any]:
    return {
        "time": "2026-11-01T00:00:00Z", "bucket": "1h", "model": "m", "requests": 5,
        "input_tokens": 1000, "cached_tokens": 300, "written_tokens": 100, "output_tokens": 200,
        "reasoning_tokens": 50, "project": "p", "key": "k", "cost_usd": 0.5, **change,
    }  # fmt: skip


def hours(*numbers: float, **change: object) -> list[dict[str, Any]]:
    """Return rows at hours of a day, without the length of their buckets."""
    start = datetime(2026, 11, 1, tzinfo=UTC)
    rows = [row(time=str(start + timedelta(hours=n)), **change) for n in numbers]
    for each in rows:
        del each["bucket"]
    return rows


def test_all_columns(tmp_path: Path) -> None:
    fields = row(tier="batch", provider="openai", written_1h_tokens=10, failed_requests=3,
                 uncached_tokens=590, total_tokens=1200)  # fmt: skip
    for path in (table(tmp_path, fields), document(tmp_path, [fields])):
        usage, notices = read(path, "plain")
        assert usage.groups == (Group("m", "openai", "p", "k", "batch"),)
        assert columns(usage, "begin_s", "length_s", "requests", "uncached_tok", "cached_tok") == [
            (DAY, HOUR, 5, 590, 300)
        ]
        names = ("written_5m_tok", "written_1h_tok", "completion_tok", "reasoning_tok", "spend_usd")
        assert columns(usage, *names) == [(100, 10, 200, 50, 0.5)]
        assert notices.left_out == {"failed requests": 3}


@pytest.mark.parametrize("column", sorted(SYNONYMS))
def test_every_synonym_means_its_column(tmp_path: Path, column: str) -> None:
    values = {"end": "2026-11-01T01:00Z", "uncached_tokens": 600, "written_1h_tokens": 0,
              "failed_requests": 0, "total_tokens": 1200, "provider": "v", "tier": "t"}  # fmt: skip
    fields = {**row(), **({column: values[column]} if column in values else {})}
    expected, _, _ = read_usage(table(tmp_path, fields))
    for name in SYNONYMS[column]:
        shown = name.replace("_", " ").title()
        renamed = {shown if key == column else key: value for key, value in fields.items()}
        found, _, _ = read_usage(table(tmp_path, renamed))
        assert found.groups == expected.groups
        assert columns(found, *known(expected)) == columns(expected, *known(expected))


def test_uncached_tokens_instead_of_all(tmp_path: Path) -> None:
    fields = row(uncached_tokens=600)
    del fields["input_tokens"]
    usage, _ = read(table(tmp_path, fields), "plain")
    assert usage.prompt_tok.tolist() == [1000]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cached_tokens": 901}, "cached and written tokens exceed input_tokens"),
        ({"reasoning_tokens": 201}, "reasoning_tokens (201) exceeds output_tokens (200)"),
        ({"uncached_tokens": 601}, "uncached, cached and written tokens do not add up"),
        ({"total_tokens": 1300}, "is 1,200, but total_tokens is 1,300"),
        (
            {"cache_read_input_tokens": 5},
            "unknown count of tokens 'cache_read_input_tokens' ('5') (did you mean",
        ),
        ({"bucket": "fortnight"}, "bucket must be seconds, or a length such as 1h, day or month"),
        ({"bucket": "-60"}, "bucket must be seconds, or a length such as 1h, day or month"),
        ({"bucket": "0h"}, "bucket must be seconds, or a length such as 1h, day or month"),
        ({"bucket": "month", "time": "2026-11-02"}, "a bucket of a month must begin on its first"),
        ({"end": "2026-10-31"}, "must end after it begins"),
        ({"time": "Total"}, "time must be a date and time, not 'Total'"),
        ({"input_tokens": "1.2"}, "input_tokens must be a whole number, not '1.2'"),
        ({"cost_usd": "1,5"}, "cost_usd must be a number of 0 or more, not '1,5'"),
        ({"requests": "nan"}, "requests must be a number of 0 or more, not 'nan'"),
    ],
)
def test_faults_have_their_line(tmp_path: Path, change: dict, message: str) -> None:
    text = refusal(table(tmp_path, row(time="2026-10-01"), row(**change)))
    assert text.startswith("3:1: ")
    assert message in text


def test_two_names_of_a_column_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path, row(**{"Prompt Tokens": 5}))
    assert "'input_tokens' and 'Prompt Tokens' are names of the same column" in refusal(path)


@pytest.mark.parametrize(
    ("bucket", "length_s"),
    [("1m", 60), ("15m", 900), ("hour", HOUR), ("Daily", 24 * HOUR), ("7d", 7 * 24 * HOUR),
     ("1w", 7 * 24 * HOUR), ("86400", 24 * HOUR), ("month", 30 * 24 * HOUR)],
)  # fmt: skip
def test_stated_lengths(tmp_path: Path, bucket: str, length_s: int) -> None:
    usage, notices = read(table(tmp_path, row(bucket=bucket)), "plain")
    assert usage.length_s.tolist() == [length_s]
    assert notices.remarks == []


@pytest.mark.parametrize(
    ("column", "value", "length_s"),
    [("day", "2026-11-01", 24 * HOUR), ("hour", "2026-11-01 00:00", HOUR),
     ("month", "2026-11", 30 * 24 * HOUR), ("week", "2026-11-01", 7 * 24 * HOUR)],
)  # fmt: skip
def test_columns_named_after_lengths(
    tmp_path: Path, column: str, value: str, length_s: int
) -> None:
    path = table(tmp_path, {column: value, "requests": 5, "input_tokens": 7})
    usage, _ = read(path, "plain")
    assert columns(usage, "begin_s", "length_s") == [(DAY, length_s)]


def test_lengths_from_differences(tmp_path: Path) -> None:
    usage, notices = read(table(tmp_path, *hours(0, 1, 1, 5, model="m")[::-1]), "plain")
    assert usage.length_s.tolist() == [HOUR] * 3
    assert notices.remarks == [
        "Buckets are taken to last 3600 s, as the differences of times show."
    ]
    assert notices.left_out == {"rows that are there twice": 1}


def test_months_from_differences(tmp_path: Path) -> None:
    rows = [{"date": f"2026-{month}-01", "requests": 5, "cost": 1} for month in (10, 11, 12)]
    usage, notices = read(table(tmp_path, *rows), "plain")
    assert (usage.length_s / (24 * HOUR)).tolist() == [31, 30, 31]
    assert notices.remarks == ["Buckets are taken for calendar months, since all begin with one."]


def test_dates_with_an_offset(tmp_path: Path) -> None:
    rows = [row(time=f"2026-11-0{n}T00:00:00+01:00", bucket="1d") for n in (1, 2)]
    usage, _ = read(table(tmp_path, *rows), "plain")
    assert usage.begin_s.tolist() == [DAY - HOUR, DAY + 23 * HOUR]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((0,), "a single bucket does not show its length; add a column 'bucket'"),
        ((0, 2, 5), "the differences of times show no length of buckets"),
        ((0, 1 / 360, 1), "times are multiples of 10 s apart: single calls, not buckets"),
        ((0, 0.001234, 0.002), "times with fractions of a second are those of single calls"),
        ((0, 24 * 40), "the differences of times show no length of buckets"),
    ],
)
def test_times_that_show_no_length(tmp_path: Path, numbers: tuple, message: str) -> None:
    assert message in refusal(table(tmp_path, *hours(*numbers)))


def test_other_columns_distinguish_rows(tmp_path: Path) -> None:
    path = table(tmp_path, row(office="Bern"), row(office="Basel", requests=7), row(office="Bern"))
    usage, notices = read(path, "plain")
    assert columns(usage, "requests", "completion_tok") == [(12, 400)]
    assert notices.left_out == {"rows that are there twice": 1}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(bucket="1d"), row(time="2026-11-01T05:00Z")], "overlaps one that begins 5 h earlier"),
        ([row(), row(requests=6)], "is there twice with different values"),
        (
            [row(model="a"), row(model="b"), row(model="", requests=10, input_tokens=2000,
             cached_tokens=600, written_tokens=200, output_tokens=400, cost_usd=1)],
            "is the total of the rows with model",
        ),
    ],
)  # fmt: skip
def test_nothing_is_counted_twice(tmp_path: Path, rows: list, message: str) -> None:
    assert message in refusal(table(tmp_path, *rows))


def test_a_total_of_other_columns_is_refused(tmp_path: Path) -> None:
    names = ("requests", "input_tokens", "cached_tokens", "written_tokens", "output_tokens")
    total = {name: 2 * row()[name] for name in (*names, "cost_usd")}
    path = table(tmp_path, row(office="a"), row(office="b"), row(office="", **total))
    assert "(model m, project p, key k) is the total of the rows with office" in refusal(path)


def test_dates_are_those_of_sums(tmp_path: Path) -> None:
    rows = [{"date": f"2026-11-0{n}", "model": "m", "spend": n} for n in (1, 2)]
    assert columns(read(table(tmp_path, *rows), "plain")[0], "spend_usd") == [(1,), (2,)]


def test_a_log_of_calls_is_not_recognised(tmp_path: Path) -> None:
    rows = [{"time": f"2026-11-01T00:0{n}:00Z", "model": "m", "input_tokens": 7} for n in range(3)]
    assert "this is no known usage export" in refusal(table(tmp_path, *rows))


def test_documented_table_and_names(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
    path = tmp_path / "usage.csv"
    path.write_text("hour," + page.split("```csv\nhour,")[1].split("```")[0])
    usage, _ = read(path, "plain")
    assert columns(usage, "length_s", "requests", "uncached_tok", "spend_usd") == [
        (HOUR, 1200, 2100000, 9.8), (HOUR, 1350, 2300000, 11.1),
    ]  # fmt: skip
    names = {name for column in SYNONYMS for name in (column, *SYNONYMS[column])}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


COUNT = st.integers(0, 10**12)


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 200), st.sampled_from(["a", "b,c", 'd"e'])),
        st.tuples(*[COUNT] * 6, st.one_of(st.none(), COUNT)),
        min_size=1,
        max_size=8,
    )
)
def test_buckets_survive_their_table(
    tmp_path_factory: pytest.TempPathFactory, wanted: dict
) -> None:
    buckets, rows = [], []
    for (hour, model), (calls, rest, cached, written, answer, thought, cents) in wanted.items():
        bucket = Bucket(
            DAY + hour * HOUR, HOUR, Group(model), calls, rest, cached, written,
            completion_tok=answer + thought, reasoning_tok=thought,
            spend_usd=np.nan if cents is None else cents / 128,
        )  # fmt: skip
        buckets.append(bucket)
        rows.append({
            "start": DAY + hour * HOUR, "bucket": "hour", "model": model, "calls": calls,
            "input_tokens": rest + cached + written, "cached_tokens": cached,
            "written_tokens": written, "output_tokens": answer + thought,
            "reasoning_tokens": thought, "cost_usd": "" if cents is None else cents / 128,
        })  # fmt: skip
    found, _, _ = read_usage(table(tmp_path_factory.mktemp("plain"), *rows), "plain")
    expected = UsageTable.of(buckets)
    assert found.groups == expected.groups
    for name in ("group", "begin_s", "length_s", *known(expected)):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
