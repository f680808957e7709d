"""Small valid inputs that several readers share."""

import csv
import gzip
import io
import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from fuzz.cases import Form, Sample
from simulator.scenario.document.shipped import profiles_dir, shipped_scenarios

TINY = """\
schema_version: 1
name: tiny
seed: 3
start: 2026-11-23
horizon_hours: 2
traffic:
  chat:
    kind: sessions
    requests_per_month: 400000
    week: flat
    turns: {mean: 3}
    gap_s: {median: 30, sigma: 1.0, most: 600}
    system_prompt_tokens: 1800
    message_tokens: {median: 60, sigma: 1.0, most: 4000}
    output_tokens: 20
    max_output_tokens: 800
    max_prompt_tokens: 16000
slo: {ttft_s: 2, tpot_s: 0.2, attainment: 0.9}
options:
  hosted:
    kind: api
    offer: fireworks/llama-v3p3-70b-instruct
  own:
    kind: selfhost
    model: llama-3.3-70b
    accelerator: h100-sxm
    gpus_per_replica: 2
    weight_precision: fp8
    replicas: 1
    max_sequences: 4
people:
  engineers_fte: {low: 0.25, mid: 0.5, high: 1.0}
  engineer_usd_per_year: 200000
  tooling_usd_per_month: 500
analysis: {worlds: 8, volumes: [0.5, 1, 2], sample_requests: 1000, max_replicas: 4}
overrides:
  less: {traffic.chat.requests_per_month: 100k}
sweep:
  each: simulate
  grid: {seed: [1, 2]}
"""
"""A scenario that is simulated in a fraction of a second."""


def json_sample(name: str, value: Any) -> Sample:
    """Return a file that is one JSON document."""
    return Sample(name, json.dumps(value, indent=1).encode(), "json")


def lines_sample(name: str, *records: Any) -> Sample:
    """Return a file with a JSON document on each line."""
    return Sample(name, "".join(json.dumps(r) + "\n" for r in records).encode(), "jsonl")


def csv_sample(name: str, *rows: Sequence[Any]) -> Sample:
    """Return a CSV table, with the header in the first row."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return Sample(name, text.getvalue().encode(), "csv")


def spreadsheet_samples(name: str, *rows: Sequence[Any]) -> tuple[Sample, ...]:
    """Return a table as spreadsheets save it: decimal commas between semicolons, tabs in UTF-16."""
    samples = []
    for delimiter, encoding in ((";", "utf-8-sig"), ("\t", "utf-16")):
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(
            [str(v).replace(".", ",") if isinstance(v, float) else v for v in row] for row in rows
        )
        samples.append(Sample(name, text.getvalue().encode(encoding)))
    return tuple(samples)


def parquet_sample(name: str, columns: dict[str, list[Any]]) -> Sample:
    """Return a table as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return Sample(name, buffer.getvalue(), "parquet")


def text_samples(*texts: str) -> tuple[Sample, ...]:
    """Return samples of a command's argument."""
    return tuple(Sample("argument.txt", text.encode()) for text in texts)


def compressed(sample: Sample) -> Sample:
    """Return the sample compressed with gzip."""
    data = gzip.compress(sample.data, mtime=0)
    return Sample(f"{sample.name}.gz", data, sample.form)


@cache
def scenario_samples() -> tuple[Sample, ...]:
    """Return the shipped scenarios and the tiny one."""
    shipped = [Sample("scenario.yaml", path.read_bytes(), "yaml")
               for path in shipped_scenarios().values()]  # fmt: skip
    return (Sample("scenario.yaml", TINY.encode(), "yaml"), *shipped)


def profile_samples(name: str) -> tuple[Sample, ...]:
    """Return a file of the shipped hardware profiles."""
    return (yaml_file(f"{name}.yaml", (profiles_dir() / f"{name}.yaml").read_bytes()),)


def yaml_file(name: str, data: bytes, form: Form = "yaml") -> Sample:
    """Return a YAML file."""
    return Sample(name, data, form)
