"""Prefix trees and block caches against plain Python on random prompts."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.traffic.formats.catalog import FORMATS, read_log
from simulator.traffic.logs.log import ragged
from simulator.traffic.prefixes import PrefixBuilder, runs_of
from simulator.traffic.reuse.block_cache import block_hits
from simulator.traffic.reuse.reuse import live_tokens, reuse
from tests.support.checkout import on_sample, on_whole
from tests.support.traffic.plain_logs import mooncake_prompts, plain_hits

pytestmark = pytest.mark.slow

# A handful of token numbers makes prompts share, part, repeat and end inside one another.
PROMPT = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 9)), max_size=5)
PROMPTS = st.lists(PROMPT, min_size=1, max_size=25)


def tokens(prompt: list[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(t for start, count in prompt for t in range(start, start + count))


def common(a: tuple, b: tuple) -> int:
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


@settings(max_examples=300, deadline=None)
@given(PROMPTS, st.integers(1, 25))
def test_tree_shares_what_prompts_share(prompts: list, portion: int) -> None:
    builder = PrefixBuilder()
    ends = np.concatenate(
        [builder.add(ragged(prompts[i : i + portion])) for i in range(0, len(prompts), portion)]
    )
    written = builder.anonymous(ends)
    tree, nodes = builder.finish(ends)
    assert (tree.parent < np.arange(tree.size)).all()
    texts = [tokens(p) for p in prompts]
    runs = runs_of(tree, nodes)
    for found in (written, runs):
        pairs = list(zip(found.start.tolist(), found.length.tolist(), strict=True))
        chains = [
            tokens(pairs[found.offsets[i] : found.offsets[i + 1]]) for i in range(len(prompts))
        ]
        for i, chain in enumerate(chains):
            assert len(chain) == len(texts[i])
            for j in range(i):
                # Renumbered, but the same beginnings in common and nothing else.
                assert common(chain, chains[j]) == common(texts[i], texts[j])


def test_anonymous_numbers_follow_first_use() -> None:
    builder = PrefixBuilder()
    ends = builder.add(ragged([[(700, 10)], [(700, 4), (90, 3)], [(700, 10), (5, 2)]]))
    runs = builder.anonymous(ends)
    assert list(zip(runs.start.tolist(), runs.length.tolist(), strict=True)) == [
        (0, 10), (0, 4), (10, 3), (0, 10), (13, 2)
    ]  # fmt: skip


def blocks_of(text: tuple[int, ...], block_tok: int) -> list[tuple[int, ...]]:
    """Blocks named by everything up to their end, the last one partial."""
    ends = [*range(block_tok, len(text) + 1, block_tok)]
    if len(text) % block_tok:
        ends.append(len(text))
    return [text[:end] for end in ends]


@settings(max_examples=300, deadline=None)
@given(PROMPTS, st.integers(1, 5), st.integers(1, 12), st.sampled_from(["lru", "lfu", "fifo"]))
def test_block_cache_is_the_plain_one(
    prompts: list, block_tok: int, capacity: int, policy: str
) -> None:
    builder = PrefixBuilder()
    tree, nodes = builder.finish(builder.add(ragged(prompts)))
    texts = [tokens(p) for p in prompts]
    found = block_hits(
        tree,
        nodes,
        np.array([max(1, len(t)) for t in texts]),
        block_tok=block_tok,
        capacity_blocks=capacity,
        policy=policy,
    )
    blocks = [blocks_of(text, block_tok) for text in texts]
    assert found.hits == plain_hits(blocks, capacity, policy)
    assert found.blocks == sum(map(len, blocks))
    assert found.distinct == len({block for prompt in blocks for block in prompt})


@settings(max_examples=200, deadline=None)
@given(PROMPTS, st.integers(0, 10) | st.just(np.inf), st.integers(0, 100))
def test_reuse_is_the_longest_live_beginning(prompts: list, ttl_s: float, seed: int) -> None:
    builder = PrefixBuilder()
    tree, nodes = builder.finish(builder.add(ragged(prompts)))
    at_s = np.sort(np.random.default_rng(seed).integers(0, 30, len(prompts))).astype(np.float64)
    texts = [tokens(p) for p in prompts]
    lengths = np.array([max(1, len(t)) for t in texts])

    def longest(i: int, within_s: float) -> int:
        """A token's last use decides, so the longest common beginning among recent prompts."""
        recent = [j for j in range(i) if at_s[i] - at_s[j] <= within_s]
        return max((common(texts[i], texts[j]) for j in recent), default=0)

    live = live_tokens(tree, nodes, at_s, ttl_s)
    assert live.tolist() == [longest(i, ttl_s) for i in range(len(prompts))]
    whole = reuse(tree, nodes, lengths, at_s)
    assert whole.tokens == sum(longest(i, np.inf) for i in range(len(prompts)))
    if whole.tokens:
        assert whole.younger(1e6) == 1.0


PUBLISHED = {
    ("lru", 1000): 0.0445, ("lru", 10_000): 0.2112, ("lru", 30_000): 0.3257,
    ("lru", 50_000): 0.3546, ("lru", 100_000): 0.3637, ("lru", 10**9): 0.3664,
    ("fifo", 10_000): 0.1815, ("lfu", 10_000): 0.1318,
}  # fmt: skip
SMALL_CACHES = [
    ("lru", 100), ("lru", 500), ("lru", 10**9), ("fifo", 100), ("fifo", 500), ("lfu", 500)
]  # fmt: skip
"""Policies and numbers of blocks that tell caches apart on the sample of the trace."""


def counted_ratios(trace: Path) -> dict[tuple[str, int], float]:
    """Hit ratios of small caches, counted in plain Python."""
    prompts = [prompt.blocks for prompt in mooncake_prompts(trace)]
    blocks = sum(map(len, prompts))
    return {
        (policy, capacity): plain_hits(prompts, capacity, policy) / blocks
        for policy, capacity in SMALL_CACHES
    }


@pytest.mark.parametrize(("data", "published"), [on_sample(None), on_whole(PUBLISHED)])
def test_hit_ratios_of_the_mooncake_trace(
    data: Path, published: dict[tuple[str, int], float] | None
) -> None:
    path = data / "traces" / "mooncake_conversation_trace.jsonl.gz"
    log = read_log(path, FORMATS["mooncake"])
    ratios = published or counted_ratios(path)
    assert len(set(ratios.values())) == len(ratios)
    for (policy, capacity), ratio in ratios.items():
        found = block_hits(
            log.tree,
            log.prefix_node,
            log.rows.input_tokens,
            block_tok=512,
            capacity_blocks=capacity,
            policy=policy,
        )
        assert found.hit_prefix == pytest.approx(ratio, abs=0.0001), (policy, capacity)


def test_no_prefixes_at_all(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("arrival_s,input_tokens,output_tokens\n0,5,5\n1,6,6\n")
    log = read_log(path, FORMATS["canonical"])
    found = block_hits(
        log.tree, log.prefix_node, log.rows.input_tokens, block_tok=16, capacity_blocks=9
    )
    assert (found.blocks, found.hit_prefix) == (0, 0.0)
