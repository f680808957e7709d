"""Replay of prompts through a prefix cache of blocks under LRU, LFU or FIFO.

The hit rates show how large a cache pays off. Definitions are those of the Mooncake FAST'25 paper:
there is one pool, empty at the start; each request looks up its leading run of cached blocks and
then inserts all of its blocks in order.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.jit import compiled
from simulator.traffic.table import NO_NODE, PrefixTree

Policy = Literal["lru", "lfu", "fifo"]
_LRU, _LFU, _FIFO = 0, 1, 2
_CODES: dict[Policy, int] = {"lru": _LRU, "lfu": _LFU, "fifo": _FIFO}


@dataclass(frozen=True, slots=True)
class BlockHits:
    """Hits of one block cache."""

    blocks: int
    """Blocks of all prompts, partial last ones included."""
    distinct: int
    """Distinct blocks among them."""
    hits: int
    """Blocks in the leading cached runs."""
    hit_prefix: float
    """Hits divided by blocks."""
    hit_full: float
    """Hits of full blocks divided by full blocks."""
    hit_token: float
    """Tokens in the leading cached runs divided by prompt tokens."""


class _Pool(NamedTuple):
    """Resident blocks in linked lists, in the order of eviction.

    Under LFU there is a list for each use count, else one list.
    """

    following: NDArray[np.int32]
    preceding: NDArray[np.int32]
    list_of: NDArray[np.int32]
    """List of each block: its use count under LFU, else 0; -1 if it is not resident."""
    head: NDArray[np.int32]
    tail: NDArray[np.int32]


@compiled
def _unlink(pool: _Pool, block: int) -> None:
    list_index = pool.list_of[block]
    before, after = pool.preceding[block], pool.following[block]
    if before == -1:
        pool.head[list_index] = after
    else:
        pool.following[before] = after
    if after == -1:
        pool.tail[list_index] = before
    else:
        pool.preceding[after] = before
    pool.list_of[block] = -1


@compiled
def _append(pool: _Pool, block: int, list_index: int) -> None:
    last = pool.tail[list_index]
    pool.preceding[block] = last
    pool.following[block] = -1
    if last == -1:
        pool.head[list_index] = block
    else:
        pool.following[last] = block
    pool.tail[list_index] = block
    pool.list_of[block] = list_index


@compiled
def _replay_prompts(
    parent: NDArray,
    depth: NDArray,
    first_block: NDArray,
    partial_block: NDArray,
    ends: NDArray,
    inputs: NDArray,
    block_tok: int,
    capacity: int,
    policy: int,
    pool: _Pool,
) -> tuple[int, int, int, int]:
    """Replay prompts and return hits, hits of full blocks, hit tokens and blocks."""
    path = np.empty(parent.size, np.int32)
    hits, full_hits, token_hits, blocks = 0, 0, 0, 0
    resident = 0
    least = 0  # all lists below this one are empty
    for i in range(ends.size):
        size = 0
        node = ends[i]
        while node >= 0:
            path[size] = node
            size += 1
            node = parent[node]
        run = 0
        leading = True
        total = 0
        end_tok = depth[ends[i]] if ends[i] >= 0 else 0
        for step in range(size):
            node = path[size - 1 - step]
            begin = depth[parent[node]] // block_tok if parent[node] >= 0 else 0
            count = depth[node] // block_tok - begin
            last = step == size - 1 and end_tok % block_tok > 0
            for k in range(count + (1 if last else 0)):
                block = first_block[node] + k if k < count else partial_block[node]
                total += 1
                list_index = pool.list_of[block]
                if list_index >= 0:
                    if leading:
                        run += 1
                    if policy == _FIFO:
                        continue
                    _unlink(pool, block)
                    _append(pool, block, list_index + 1 if policy == _LFU else 0)
                else:
                    leading = False
                    if resident == capacity:
                        while pool.head[least] == -1:
                            least += 1
                        _unlink(pool, pool.head[least])
                        resident -= 1
                    _append(pool, block, 0)
                    least = 0
                    resident += 1
        hits += run
        full_hits += min(run, inputs[i] // block_tok)
        token_hits += min(run * block_tok, end_tok)
        blocks += total
    return hits, full_hits, token_hits, blocks


def block_hits(
    tree: PrefixTree,
    prefix_node: NDArray[np.int32],
    input_tokens: NDArray[np.int64],
    *,
    block_tok: int,
    capacity_blocks: int,
    policy: Policy = "lru",
) -> BlockHits:
    """Return the hits of prompts that are replayed through one cache, in the given order.

    Parameters
    ----------
    tree, prefix_node
        Prompts as paths of the tree, (n_requests,).
    input_tokens
        Lengths of whole prompts, (n_requests,).
    block_tok
        Tokens of a block.
    capacity_blocks
        Blocks that the cache holds.
    policy
        Choice of the block to evict from a full cache. LFU evicts the least recently used of the
        blocks with the fewest uses.
    """
    above = tree.parent != NO_NODE
    begin_tok = np.zeros(tree.size, np.int64)
    begin_tok[above] = tree.depth_tok[tree.parent[above]]
    own = tree.depth_tok // block_tok - begin_tok // block_tok
    first_block = np.append(0, np.cumsum(own))
    partial_block = np.full(tree.size, NO_NODE, np.int64)
    ends = np.unique(prefix_node[prefix_node != NO_NODE])
    cut = ends[tree.depth_tok[ends] % block_tok > 0]
    partial_block[cut] = first_block[-1] + np.arange(len(cut))
    distinct = int(first_block[-1]) + len(cut)
    lists = len(prefix_node) + 2 if policy == "lfu" else 1
    pool = _Pool(
        following=np.empty(distinct, np.int32),
        preceding=np.empty(distinct, np.int32),
        list_of=np.full(distinct, -1, np.int32),
        head=np.full(lists, -1, np.int32),
        tail=np.full(lists, -1, np.int32),
    )
    hits, full_hits, token_hits, blocks = _replay_prompts(
        tree.parent,
        tree.depth_tok,
        first_block[:-1],
        partial_block,
        prefix_node,
        input_tokens,
        block_tok,
        capacity_blocks,
        _CODES[policy],
        pool,
    )
    return BlockHits(
        blocks=int(blocks),
        distinct=distinct,
        hits=int(hits),
        hit_prefix=hits / max(1, blocks),
        hit_full=full_hits / max(1, int((input_tokens // block_tok).sum())),
        hit_token=token_hits / max(1, int(input_tokens.sum())),
    )
