"""Logs and traces of other tools, as small samples."""

import json
from pathlib import Path

GOOD = [
    {"timestamp": 0, "input_length": 1100, "output_length": 5, "hash_ids": [1, 2, 3]},
    {"timestamp": 10, "input_length": 1536, "output_length": 6, "hash_ids": [1, 2, 4]},
    {"timestamp": 2500.5, "input_length": 100, "output_length": 0, "hash_ids": [9]},
]


def lines(tmp_path: Path, *records: object, name: str = "trace.jsonl") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in records) + "\n")
    return path


def document(tmp_path: Path, value: object, name: str = "trace.json") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps(value))
    return path


AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


# One call by every counting rule: a prompt of 1000 tokens of which 600 were read from a cache and
# 100 written to one, an answer of 80 tokens of which 30 were reasoning where that is told.
SPEND = {
    "request_id": "r1", "call_type": "acompletion", "startTime": "2026-11-02T08:00:00.250Z",
    "endTime": "2026-11-02T08:00:02.250Z", "prompt_tokens": 1000, "completion_tokens": 80,
    "model": "m", "model_group": "desk", "session_id": "s", "cache_hit": "False",
    "status": "success", "messages": {"text": "SECRET"}, "response": {"text": "SECRET"},
    "metadata": {"usage_object": {
        "prompt_tokens": 1000, "cache_read_input_tokens": 600, "cache_creation_input_tokens": 100,
        "completion_tokens_details": {"reasoning_tokens": 30}}},
}  # fmt: skip
