"""Public logs read and counted in plain Python, without the package that tests compare with it."""

import csv
import gzip
import io
import json
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zstandard

MOONCAKE_BLOCK_TOK = 512
AGENT_BLOCK_TOK = 64


class Prompt(NamedTuple):
    """A request with the blocks of its prompt, each of which stands for all before it as well."""

    at_s: float
    input_tok: int
    blocks: list[Hashable]


def azure_rows(path: Path) -> list[tuple[float, int]]:
    """Return the arrivals [s from the first one] and prompt tokens of an Azure log."""
    with gzip.open(path, "rt", newline="") as file:
        rows = [(row["TIMESTAMP"], int(row["ContextTokens"])) for row in csv.DictReader(file)]
    times = np.array([stamp.replace(" ", "T") for stamp, _ in rows], "datetime64[ns]")
    at_s = (times - times[0]) / np.timedelta64(1, "s")
    return list(zip(at_s.tolist(), (tokens for _, tokens in rows), strict=True))


def mooncake_prompts(path: Path) -> list[Prompt]:
    with gzip.open(path, "rt") as file:
        rows = [json.loads(line) for line in file]
    return [Prompt(row["timestamp"] / 1e3, row["input_length"], row["hash_ids"]) for row in rows]


def agent_prompts(path: Path) -> list[Prompt]:
    """Return the requests of all conversations and of their sub-agents, by time."""
    with path.open("rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(file)
        conversations = [json.loads(line) for line in io.TextIOWrapper(reader, "utf-8")]
    found: list[Prompt] = []
    for number, conversation in enumerate(conversations):
        found += _requests(conversation, number, 0.0)
    return sorted(found, key=lambda prompt: prompt.at_s)


def _requests(parent: dict, conversation: int, origin_s: float) -> Iterator[Prompt]:
    """Yield the requests of a list; block ids are only unique within a conversation."""
    blocks: list[Hashable] = []
    for request in parent["requests"]:
        at_s = origin_s + request["t"]
        if "requests" in request:
            yield from _requests(request, conversation, at_s)
            continue
        runs = [range(start, start + count) for start, count in request["ht"]]
        added = [(conversation, block) for run in runs for block in run]
        blocks = blocks[: request["hp"]] + added
        yield Prompt(at_s, request["in"], blocks)


def reuse(prompts: list[Prompt], block_tok: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the share of tokens that an earlier prompt had, and their numbers and ages [s]."""
    used_s: dict[Hashable, float] = {}
    tokens, ages_s = [], []
    for prompt in prompts:
        left_tok = prompt.input_tok
        for block in prompt.blocks:
            if block not in used_s:
                break
            tokens.append(min(block_tok, left_tok))
            ages_s.append(prompt.at_s - used_s[block])
            left_tok -= tokens[-1]
        used_s |= dict.fromkeys(prompt.blocks, prompt.at_s)
    share = sum(tokens) / sum(prompt.input_tok for prompt in prompts)
    return share, np.array(tokens), np.array(ages_s)


def plain_hits(prompts: Sequence[Sequence[Hashable]], capacity: int, policy: str) -> int:
    """Return how many leading blocks of the prompts a cache of this many blocks holds."""
    cache: OrderedDict[Hashable, int] = OrderedDict()
    hits = 0
    for blocks in prompts:
        for block in blocks:
            if block not in cache:
                break
            hits += 1
        for block in blocks:
            if block in cache:
                cache[block] += 1
                if policy != "fifo":
                    cache.move_to_end(block)
                continue
            if len(cache) == capacity:
                least = min(cache.values()) if policy == "lfu" else None
                victim = next(b for b, uses in cache.items() if least in (None, uses))
                del cache[victim]
            cache[block] = 0
    return hits
