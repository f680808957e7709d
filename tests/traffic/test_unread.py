"""Files that are no log that is read, and formats that are named for the wrong kind of file."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.errors import InputError
from simulator.library.bills import reproduce_bill
from simulator.library.logs import fit_traffic, log_statistics
from simulator.library.names import log_format_names, source_format_names

USAGE = "date,model,requests,input_tokens,output_tokens\n"
DAYS = "2026-11-02,m,1200,36000,480\n2026-11-03,m,900,30000,400\n"
LOG = "arrival_s,input_tokens,output_tokens\n0,20,3\n60,30,4\n7200,30,4\n"


def refusal(path: Path, **options: Any) -> str:
    texts = set()
    for read in (log_statistics, fit_traffic, reproduce_bill):
        with pytest.raises(InputError) as caught:
            read(str(path), **options)
        texts.add(str(caught.value))
    (text,) = texts
    return text


def written(tmp_path: Path, text: str, name: str = "file.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("header", "kind", "instead"),
    [
        ("lineItem/UsageStartDate,lineItem/UsageType,lineItem/UsageAmount,lineItem/UnblendedCost",
         "billing rows of AWS", "bedrock-cloudwatch"),
        ("line_item_usage_type,line_item_usage_amount,line_item_unblended_cost",
         "billing rows of AWS", "bedrock-cloudwatch"),
        ("usage_start_time,sku_description,usage_amount,cost", "billing rows of Google Cloud",
         "vertex-monitoring"),
        ("Service description,SKU description,Usage amount,Cost ($)",
         "billing rows of Google Cloud", "usageMetadata"),
        ("Date,MeterName,Quantity,CostInBillingCurrency", "cost details of Azure",
         "azure-metrics"),
        ("ChargePeriodStart,ServiceName,ConsumedQuantity,BilledCost", "billing rows by FOCUS",
         "usage or metrics of the provider"),
        ("id,trace_id,created_at,ai_model,req_units,res_units,cost", "logs of Portkey",
         "columns arrival_s, input_tokens, output_tokens and cached_tokens"),
        ("model,total_requests,total_prompt_tokens,total_completion_tokens,cost",
         "sums of Helicone's dashboard", "export its requests (helicone)"),
    ],
)  # fmt: skip
def test_exports_that_are_known_are_refused_with_what_to_export(
    tmp_path: Path, header: str, kind: str, instead: str
) -> None:
    row = ",".join("1" for _ in header.split(","))
    text = refusal(written(tmp_path, f"{header}\n{row}\n"))
    assert text.startswith(f"{tmp_path / 'file.csv'}: {kind} are not read, since the")
    assert instead in text.split(". Instead, ")[1]


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({"sku": {"description": "Input"}, "usage": {"amount": 5}, "cost": 1}, "Google Cloud"),
        ({"span_attributes": {"type": "llm"}, "metrics": {"prompt_tokens": 5}}, "Braintrust"),
    ],
)
def test_nested_exports_are_known_too(tmp_path: Path, record: dict, kind: str) -> None:
    assert kind in refusal(written(tmp_path, json.dumps([record]), "file.json"))
    assert kind in refusal(written(tmp_path, f"{json.dumps(record)}\n" * 2, "file.jsonl"))


@pytest.mark.parametrize(
    ("header", "near", "missing"),
    [
        ("startTime,completion_tokens,model", "litellm", "prompt_tokens"),
        ("created_at,tokens_prompt,model_permaslug", "openrouter", "tokens_completion"),
        ("TIMESTAMP,ContextTokens", "azure", "GeneratedTokens"),
        ("when,input_tokens,output_tokens", "canonical", "arrival_s"),
        ("date,prompt_tokens,completion_tokens,spend,api_key", "litellm-daily", "api_requests"),
    ],
)
def test_the_nearest_format_is_told_with_what_is_missing(
    tmp_path: Path, header: str, near: str, missing: str
) -> None:
    row = ",".join("2026-11-02T08:00:00" if k == 0 else "x" for k in range(header.count(",") + 1))
    text = refusal(written(tmp_path, f"{header}\n{row}\n"))
    assert text.endswith(f"Nearest is {near}, which also has {missing} (docs/logs.md)")
    assert text.count(". ") == 1


def test_a_fault_of_a_table_that_is_recognised_is_told(tmp_path: Path) -> None:
    assert "3:1: expected 5 fields" in refusal(written(tmp_path, f"{USAGE}{DAYS[:-5]}"[:-8]))
    unclear = (USAGE + DAYS).replace(",", ";").replace("1200", "1.200")
    assert "requests: '1.200' may be 1200 or 1.200" in refusal(written(tmp_path, unclear))


def test_an_export_is_no_log(tmp_path: Path) -> None:
    path = written(tmp_path, USAGE + DAYS)
    with pytest.raises(InputError, match=r"a usage export \(plain\), which has sums and no single"):
        log_statistics(str(path))
    with pytest.raises(InputError, match="'plain' is a format of usage exports, which have sums"):
        log_statistics(str(path), log_format="plain")
    fitted = fit_traffic(str(path), log_format="plain").document
    assert fitted["format"] == "plain"
    assert reproduce_bill(str(path), log_format="plain").document["total"]["calls"] == 2100


def test_a_name_of_a_format_must_be_known_and_fit_the_source(tmp_path: Path) -> None:
    path = written(tmp_path, LOG)
    assert refusal(path, log_format="canonnical") == (
        "unknown format 'canonnical' (did you mean 'canonical'?)"
    )
    assert "(did you mean 'openai-usage'?)" in refusal(path, log_format="openai_usage")
    for read in (fit_traffic, reproduce_bill):
        with pytest.raises(InputError, match="an address has usage of the format 'prometheus'"):
            read("http://localhost:1", log_format="litellm")
    with pytest.raises(InputError, match="a database has logs of the format 'litellm', not 'vllm'"):
        log_statistics("postgresql://localhost:1/x", log_format="vllm")
    with pytest.raises(InputError, match="2:1: missing field 'time'"):
        fit_traffic(str(path), log_format="plain")


def test_names_of_formats_are_completed() -> None:
    assert "openrouter" in log_format_names()
    assert set(log_format_names()) < set(source_format_names())
    assert {"plain", "openai-usage", "prometheus"} <= set(source_format_names())
