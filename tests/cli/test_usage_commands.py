"""``new``, ``traffic fit`` and ``bill`` on usage exports and logs, as a user types them."""

import json
from pathlib import Path

import pytest

from simulator.scenario.building.study import load_study
from tests.support.tiny import invoke, printed

HOURS = "hour,model,requests,input_tokens,cached_tokens,output_tokens,team,key,cost_usd\n"
FLAGS = ("--model", "llama-3.3-70b", "--gpu", "h100-sxm", "--ttft", "2s", "--engineers", "0.5")


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    """Two days of calls of two teams; one of them recorded its costs without the cache."""
    path = tmp_path / "usage.csv"
    rows = [
        f"2026-11-0{2 + h // 24}T{h % 24:02}:00Z,gpt-4o,100,150000,50000,20000,{team},k,{cost}\n"
        for h in range(48)
        for team, cost in (("desk", 0.5125), ("lab", 0.575))
    ]
    path.write_text(HOURS + "".join(rows))
    return path


def test_a_bill_agrees_or_says_why_not(usage: Path, tmp_path: Path) -> None:
    bill = printed("bill", usage, "--format", "plain")
    teams = {row["name"]: row for row in bill["by_team"]}
    assert teams["desk"]["agrees"]
    assert teams["desk"]["list_low_usd"] == pytest.approx(48 * 0.5125)
    assert teams["lab"]["difference_usd"] == pytest.approx(48 * 0.0625)
    notes = {line["team"]: line["notes"] for line in bill["lines"]}
    assert notes == {"desk": [], "lab": ["recorded as if no prompt had been cached"]}
    shown = invoke("bill", usage, code=0).stdout
    assert "a difference of +3.00 $" in shown
    assert "openai/gpt-4o: recorded as if no prompt had been cached" not in shown
    assert "gpt-4o: recorded as if no prompt had been cached" in shown


def test_a_bill_takes_prices_of_a_file(usage: Path, tmp_path: Path) -> None:
    rates = {"input": 5.0, "output": 20.0, "cache_read": 2.5}
    book = {"openai/gpt-4o": {"as_of": "2026-11-01", "rates": rates, "source": "a contract"}}
    (tmp_path / "book.json").write_text(json.dumps(book))
    bill = printed("bill", usage, "--book", tmp_path / "book.json", "--skip-bad")
    assert bill["total"]["list_low_usd"] == pytest.approx(2 * 2 * 48 * 0.5125)


def test_calls_that_failed_are_left_out_of_a_bill_and_counted(tmp_path: Path) -> None:
    call = {
        "call_type": "acompletion", "api_key": "k", "spend": 0.0035, "total_tokens": 1100,
        "prompt_tokens": 1000, "completion_tokens": 100, "startTime": "2026-11-02T08:00:00Z",
        "endTime": "2026-11-02T08:00:03Z", "model": "gpt-4o", "custom_llm_provider": "openai",
        "metadata": {"user_api_key_team_alias": "desk"},
    }  # fmt: skip
    failed = call | {"status": "failure", "spend": 0.001}
    unknown = call | {"model": "gpt-zero"}
    (tmp_path / "spend.json").write_text(json.dumps([call, failed, unknown]))
    result = invoke("bill", tmp_path / "spend.json", code=0)
    assert "left out 1 failed call" in result.stderr
    assert "failed calls: recorded cost 0.00 $" in result.stdout
    assert "unknown offer 'openai/gpt-zero'" in result.stdout
    bill = printed("bill", tmp_path / "spend.json")
    assert bill["total"]["recorded_usd"] == pytest.approx(0.007)
    assert bill["total"]["agrees"]
    assert bill["total"]["rows_without_price"] == 1


def test_a_fit_is_printed_and_written(usage: Path, tmp_path: Path) -> None:
    fitted = printed("traffic", "fit", usage, "--format", "plain", "--skip-bad")
    (row,) = [r for r in fitted["workloads"] if r["project"] == "desk"]
    assert row["requests_per_month"] == pytest.approx(100 * 730)
    assert row["cached_share"] == pytest.approx(1 / 3)
    target = tmp_path / "traffic.yaml"
    shown = invoke("traffic", "fit", usage, target, code=0)
    assert "usage.csv (plain), 2.0 d" in shown.stdout
    assert "2 workloads" in shown.stderr
    (tmp_path / "mine.yaml").write_text(
        "extends: traffic.yaml\nschema_version: 1\nname: mine\nstart: 2026-11-23\n"
        "slo: {ttft_s: 2}\noptions: {api: {kind: api, offer: openai/gpt-4o}}\n"
        "people: {engineers_fte: 0, engineer_usd_per_year: 0, tooling_usd_per_month: 0}\n"
    )
    assert load_study(tmp_path / "mine.yaml").traffic.requests_per_s == pytest.approx(200 / 3600)


def test_a_fit_asks_for_the_mean_prompt_of_uncounted_calls(usage: Path, tmp_path: Path) -> None:
    text = "\n".join(
        ",".join(part for k, part in enumerate(line.split(",")) if k != 2)
        for line in usage.read_text().splitlines()
    )
    (tmp_path / "uncounted.csv").write_text(text + "\n")
    refused = invoke("traffic", "fit", tmp_path / "uncounted.csv", code=3)
    assert "does not count calls; give the mean prompt of a call" in str(refused.exception)
    fitted = printed("traffic", "fit", tmp_path / "uncounted.csv", "--mean-input-tokens", "1.5k")
    assert fitted["workloads"][0]["requests_per_month"] == pytest.approx(100 * 730)


def test_new_starts_from_usage(usage: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.yaml"
    result = invoke("new", target, "--usage", usage, "--mean-input-tokens", "9", *FLAGS, code=0)
    assert "usage.csv: plain, 2 workloads" in result.stderr
    assert [o.name for o in load_study(target).options] == ["gpt-4o", "own-h100-sxm", "hybrid"]


def test_new_starts_from_three_numbers(tmp_path: Path) -> None:
    target = tmp_path / "new.yaml"
    invoke(
        "new", target, "--input-tokens", "2.2k", "--output-tokens", "280", "--shared-prompt",
        "60%", "--cached-share", "40%", "--requests-per-month", "4M", "--offer", "gpt-4.1",
        *FLAGS, code=0,
    )  # fmt: skip
    table = load_study(target).traffic.draw(1, 0.02)
    assert table.input_tokens.mean() == pytest.approx(2200, rel=0.05)
    assert table.completion_tokens.mean() == pytest.approx(280, rel=0.05)


def test_what_is_assumed_without_a_terminal_is_printed(usage: Path, tmp_path: Path) -> None:
    result = invoke("new", tmp_path / "new.yaml", "--usage", usage, code=0)
    assert "assumed, since there is no terminal to ask on: --model llama-3.3-70b" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "chat", "--usage", "{usage}"], "give one of --preset, --usage"),
        (["--input-tokens", "100"], "--input-tokens and --output-tokens go together"),
        (["--usage", "{usage}x"], "no such file"),
    ],
)
def test_sources_that_exclude_one_another_are_refused(
    usage: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    given = [text.format(usage=usage) for text in arguments]
    result = invoke("new", tmp_path / "new.yaml", *given, *FLAGS)
    assert message in result.stderr + str(result.exception)
    assert not (tmp_path / "new.yaml").exists()
