"""Small scenarios for tests: cheap to run, with every kind of option."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from simulator.files.yamltree import dumped, parse
from simulator.scenario.resolve.json_schema import json_schema

SMALL: dict[str, Any] = {
    "schema_version": 1,
    "name": "small",
    "seed": 3,
    "start": "2026-11-23",
    "horizon_hours": 24,
    "traffic": {
        "chat": {
            "kind": "sessions",
            "requests_per_month": 8_000_000,
            "week": "azure-conversation",
            "turns": {"mean": 3},
            "gap_s": {"median": 30, "sigma": 1.0, "most": 600},
            "system_prompt_tokens": 1800,
            "message_tokens": {"median": 60, "sigma": 1.0, "most": 4000},
            "output_tokens": {"median": 150, "sigma": 0.7, "most": 800},
            "max_output_tokens": 800,
            "max_prompt_tokens": 16000,
        }
    },
    "slo": {"ttft_s": 2.0, "tpot_s": 0.06, "attainment": 0.95},
    "options": {
        "frontier": {"kind": "api", "offer": "openai/gpt-6.1-terra"},
        "hosted": {"kind": "api", "offer": "fireworks/llama-v3p3-70b-instruct"},
        "own": {
            "kind": "selfhost",
            "model": "llama-3.3-70b",
            "accelerator": "h100-sxm",
            "gpus_per_replica": 2,
            "weight_precision": "fp8",
        },
        "hybrid": {"kind": "hybrid", "base": "own", "overflow": "hosted"},
    },
    "people": {
        "engineers_fte": {"low": 0.25, "mid": 0.5, "high": 1.0},
        "engineer_usd_per_year": 200000,
        "tooling_usd_per_month": 500,
    },
    "analysis": {"worlds": 32, "volumes": [0.3, 1, 3], "sample_requests": 4000},
}


def write_scenario(path: Path, scenario: dict[str, Any] = SMALL) -> Path:
    """Write a scenario as YAML and return its path."""
    path.write_text(dumped(scenario), encoding="utf-8")
    return path


def as_json(path: Path) -> Any:
    """A YAML file as JSON has it, as editors check it."""
    return json.loads(json.dumps(parse(path.read_text()), default=str))


VALIDATOR = Draft202012Validator(json_schema())


def problems(said: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(said)]
