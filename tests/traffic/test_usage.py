"""Token counts by any name and rule come out as one partition, or the record is refused."""

from typing import Any

import pytest

from simulator.traffic.formats.records.count_names import Part, flat_counts, part_of
from simulator.traffic.formats.records.usage import GEMINI, INCLUSIVE, SEPARATE, Counts, tokens_of
from simulator.traffic.formats.records.values import BadRecord

SAME = {
    Part.READ: (
        "cached_tokens", "cache_read_input_tokens", "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_tokens", "gen_ai.usage.details.cache_read_tokens",
        "input_cached_tokens", "input_cache_read", "cachedInputTokens", "cachedContentTokenCount",
        "cached_content_token_count", "llm.token_count.prompt_details.cache_read",
        "prompt_tokens_details.cached_tokens", "prompt_cache_hit_tokens",
        "ai.usage.inputTokenDetails.cacheReadTokens", "gen_ai.usage.input_tokens.cached",
    ),
    Part.WRITTEN: (
        "cache_creation_input_tokens", "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_write.input_tokens", "cache_write_tokens", "input_cache_creation",
        "llm.token_count.prompt_details.cache_write", "prompt_cache_write_tokens",
    ),
    Part.WRITTEN_1H: ("ephemeral_1h_input_tokens", "input_cache_creation_1h"),
    Part.UNCACHED: (
        "prompt_cache_miss_tokens", "inputTokenDetails.noCacheTokens", "input_uncached_tokens",
    ),
    Part.REASONING: (
        "reasoning_tokens", "output_reasoning_tokens", "thoughtsTokenCount", "thinking_tokens",
        "gen_ai.usage.reasoning.output_tokens", "completion_tokens_details.reasoning_tokens",
    ),
    Part.INPUT: ("prompt_tokens", "input", "promptTokenCount", "llm.usage.prompt_tokens"),
    Part.OUTPUT: ("completion_tokens", "output", "candidates_token_count", "ai.usage.outputTokens"),
    Part.TOTAL: ("total", "totalTokenCount", "llm.token_count.total"),
    Part.AUDIO: ("prompt_tokens_details.audio_tokens", "input_audio_tokens"),
    Part.INPUT_PART: ("input_modality_TEXT", "prompt_tokens_details.text_tokens"),
    Part.TOOL_INPUT: ("toolUsePromptTokenCount",),
    Part.NO_TOKENS: ("gen_ai.usage.cost", "server_tool_use.web_search_requests", "totalCost"),
    Part.UNKNOWN: ("cache_tokens", "input_magic_tokens", "custom1"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "part"), [(name, part) for part, names in SAME.items() for name in names]
)
def test_names_of_counts(name: str, part: Part) -> None:
    assert part_of(name) is part


@pytest.mark.parametrize(
    ("usage", "rule", "expected"),
    [
        # What the documents of a tool say, without a total or with one that agrees.
        ({"input": 100, "cached": 60, "output": 20}, INCLUSIVE, (100, 60, 20, None)),
        ({"input": 40, "cached": 60, "output": 20}, SEPARATE, (100, 60, 20, None)),
        ({"input": 40, "cached": 60, "output": 20, "total": 120}, SEPARATE, (100, 60, 20, None)),
        ({"input": 9, "output": 5, "reasoning": 7}, SEPARATE, (9, None, 5, 7)),
        ({"input": 9, "output": 12, "reasoning": 7}, INCLUSIVE, (9, None, 5, 7)),
        # A total that only another rule gives.
        ({"input": 100, "cached": 60, "output": 20, "total": 120}, SEPARATE, (100, 60, 20, None)),
        ({"input": 40, "cached": 60, "output": 20, "total": 120}, INCLUSIVE, (100, 60, 20, None)),
        ({"input": 9, "output": 5, "reasoning": 7, "total": 21}, INCLUSIVE, (9, None, 5, 7)),
        ({"input": 9, "output": 12, "reasoning": 7, "total": 21}, SEPARATE, (9, None, 5, 7)),
        (
            {"input": 70, "cached": 60, "cache_creation": 30, "output": 20, "total": 120},
            INCLUSIVE,
            (100, 60, 20, None),
        ),
        # Kinds of input next to it, and prompts of tools.
        (
            {"input": 0, "input_modality_TEXT": 8, "output": 2, "total": 10},
            SEPARATE,
            (8, None, 2, None),
        ),
        ({"input": 8, "text_input": 8, "output": 2, "total": 10}, INCLUSIVE, (8, None, 2, None)),
        (
            {"promptTokenCount": 10, "toolUsePromptTokenCount": 4, "candidatesTokenCount": 2,
             "thoughtsTokenCount": 3, "totalTokenCount": 19},
            GEMINI,
            (14, None, 2, 3),
        ),
        # DeepSeek's parts of the prompt, and zeros that say nothing.
        (
            {"prompt_tokens": 10, "prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4,
             "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens": 1},
            INCLUSIVE,
            (10, 6, 1, None),
        ),
        (
            {"input": 5, "output": 1, "total": 0, "custom1": 0, "tier": "flex"},
            SEPARATE,
            (5, None, 1, None),
        ),
        ({"input": 5, "total": 5}, SEPARATE, (5, None, 0, None)),
        ({"input": "5", "output": 2.0}, SEPARATE, (5, None, 2, None)),
        # Lists of modalities, as Gemini has them.
        (
            {"promptTokenCount": 7, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}],
             "candidatesTokenCount": 2},
            GEMINI,
            (7, None, 2, None),
        ),
    ],
)  # fmt: skip
def test_rules(usage: dict[str, Any], rule: Any, expected: tuple) -> None:
    tokens = tokens_of(Counts.of(flat_counts(usage)), rule)
    assert (tokens.input, tokens.cached, tokens.output, tokens.reasoning) == expected


@pytest.mark.parametrize(
    ("usage", "rule", "message"),
    [
        ({"input": 5, "output": 1, "total": 7}, SEPARATE, "do not give total 7 by any rule"),
        # Cached and reasoning tokens of the same number: two rules give the total.
        (
            {"input": 9, "cached": 4, "output": 8, "reasoning": 4, "total": 21},
            INCLUSIVE,
            "by any rule",
        ),
        ({"input": 5, "output": 1, "magic_tokens": 3}, SEPARATE, "unknown token count 'magic_to"),
        ({"input": 5, "output": 1, "cached": 6}, INCLUSIVE, "the prompt has only 5"),
        ({"input": 5, "output": 1, "reasoning": 2}, INCLUSIVE, "2 reasoning tokens of only 1"),
        ({"input": 5, "prompt_tokens": 6, "output": 1}, SEPARATE, "prompt_tokens is 6, but input"),
        ({"input": 5, "uncached": 4, "output": 1}, INCLUSIVE, "uncached is 4"),
        (
            {"input": 9, "output": 1, "cache_creation": 5, "cache_creation_1h": 4},
            SEPARATE,
            "4 tokens written for five minutes and an hour, but 5 in all",
        ),
        ({"input": 5}, SEPARATE, "missing field 'output tokens'"),
        ({"output": 5}, SEPARATE, "missing field 'input tokens'"),
        ({"input": -5, "output": 1}, SEPARATE, "input must be 0 or more"),
        ({"input": 5, "output": "many"}, SEPARATE, "output must be a whole number"),
    ],
)
def test_contradictions_are_refused(usage: dict[str, Any], rule: Any, message: str) -> None:
    with pytest.raises(BadRecord, match=message):
        tokens_of(Counts.of(flat_counts(usage)), rule)


def test_an_hour_of_a_cache_is_known_apart() -> None:
    usage = {"input": 4, "output": 1, "cache_creation": {
        "ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 70}}  # fmt: skip
    tokens = tokens_of(Counts.of(flat_counts(usage)), SEPARATE)
    assert (tokens.input, tokens.written, tokens.written_1h) == (104, 100, 70)
