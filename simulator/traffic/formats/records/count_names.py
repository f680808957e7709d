"""Names of token counts in the logs of other tools, and what each of them counts.

A name is taken as the set of its words, whatever their order and spelling: ``cachedInputTokens``,
``input_cached_tokens`` and ``cache_read.input_tokens`` say the same. The words are those of the
providers' own usage objects (OpenAI, Anthropic, Gemini, DeepSeek), of the OpenTelemetry GenAI
conventions up to 1.41, of OpenInference, OpenLLMetry and the Vercel AI SDK, and of Langfuse's price
list, all as of 2026. A name of other words is unknown, and nothing is concluded from it.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any


class Part(StrEnum):
    """What a count of a call counts."""

    INPUT = "input"
    OUTPUT = "output"
    TOTAL = "total"
    READ = "read from a cache"
    WRITTEN = "written to a cache"
    WRITTEN_5M = "written to a cache for five minutes"
    WRITTEN_1H = "written to a cache for an hour"
    UNCACHED = "uncached input"
    REASONING = "reasoning"
    INPUT_PART = "kind of input"
    """Such as text, as opposed to audio."""
    OUTPUT_PART = "kind of output"
    """Such as text, or predicted tokens."""
    TOOL_INPUT = "input of tools"
    """Prompts of a provider's own tools, which Gemini counts in addition to the prompt."""
    AUDIO = "audio"
    IMAGE = "image"
    VIDEO = "video"
    FILE = "file"
    NO_TOKENS = "other than tokens"
    UNKNOWN = "unknown"


_WORD = re.compile(r"\d+[a-z]?|[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_FILLERS = frozenset(
    ("token", "tokens", "count", "counts", "detail", "details", "modality", "gen", "ai", "llm",
     "usage", "object", "additional", "values")
)  # fmt: skip
_SAME = {
    "prompt": "input", "prompts": "input", "inputs": "input",
    "completion": "output", "candidates": "output", "outputs": "output",
    "thoughts": "reasoning", "thinking": "reasoning",
    "creation": "write", "created": "write", "written": "write", "hit": "read",
    "images": "image", "videos": "video", "document": "file", "files": "file",
}  # fmt: skip
_MEDIA = {
    "audio": Part.AUDIO,
    "image": Part.IMAGE,
    "video": Part.VIDEO,
    "file": Part.FILE,
}
_NO_TOKENS = frozenset(
    ("cost", "costs", "price", "prices", "usd", "credits", "request", "requests", "search",
     "searches", "query", "queries", "call", "calls", "time", "ms", "seconds", "duration",
     "latency", "speed", "per", "characters", "rate", "ratio", "percent")
)  # fmt: skip
_PARTS = {
    frozenset(words.split()): part
    for words, part in {
        "input": Part.INPUT,
        "output": Part.OUTPUT,
        "total": Part.TOTAL,
        "cache read": Part.READ,
        "cache read text": Part.READ,
        "cache write": Part.WRITTEN,
        "cache write 5m": Part.WRITTEN_5M,
        "cache write 1h": Part.WRITTEN_1H,
        "uncached": Part.UNCACHED,
        "reasoning": Part.REASONING,
        "input text": Part.INPUT_PART,
        "output text": Part.OUTPUT_PART,
        "output accepted prediction": Part.OUTPUT_PART,
        "output rejected prediction": Part.OUTPUT_PART,
        "accepted prediction": Part.OUTPUT_PART,
        "rejected prediction": Part.OUTPUT_PART,
        "input tool use": Part.TOOL_INPUT,
    }.items()
}


@lru_cache(maxsize=4096)
def part_of(name: str) -> Part:
    """Return what a count of this name counts."""
    words = {_SAME.get(w, w) for w in (found.lower() for found in _WORD.findall(name))} - _FILLERS
    if words & _NO_TOKENS:
        return Part.NO_TOKENS
    for word, part in _MEDIA.items():
        if word in words:
            return part
    if "uncached" in words or {"cache", "no"} <= words or {"cache", "miss"} <= words:
        words = words - {"cache", "no", "miss", "input"} | {"uncached"}
    elif "cached" in words:
        words = words - {"cached", "content", "input"} | {"cache", "read"}
    elif "ephemeral" in words:
        words = words - {"ephemeral", "input"} | {"cache", "write"}
    elif "cache" in words:
        words = words - {"input"}
    elif "reasoning" in words:
        words = words - {"output"}
    return _PARTS.get(frozenset(words), Part.UNKNOWN)


def flat_counts(usage: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the numbers and texts of a usage object with their names, nested ones by their path.

    Lists of ``{modality, tokenCount}``, as Gemini has them, become one name for each modality.
    Flags and other lists have no counts.
    """
    for key, value in usage.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping):
            yield from flat_counts(value, name)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, Mapping) and "modality" in item:
                    modality = str(item["modality"]).lower()
                    yield f"{name}.{modality}", item.get("tokenCount", item.get("token_count"))
        elif value not in (None, "") and not isinstance(value, bool):
            yield name, value
