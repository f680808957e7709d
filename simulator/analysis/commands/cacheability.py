"""The share of a log's prompts that a provider's cache would hold, and its effect on the price."""

from dataclasses import dataclass

import numpy as np

from simulator.pricing.caching import CacheOffer
from simulator.traffic.logs.log import Log
from simulator.traffic.reuse.reuse import live_tokens


@dataclass(frozen=True, slots=True)
class Cacheability:
    """Shares of all prompt tokens, and the price of input relative to input without a cache."""

    input_tokens: int
    """Number of prompt tokens."""
    cached_fraction: float
    """Share of prompt tokens read from the cache."""
    written_fraction: float
    """Share of prompt tokens written to the cache."""
    input_price_multiplier: float
    """Price of input relative to the price without a cache."""


def cacheability(log: Log, offer: CacheOffer) -> Cacheability:
    """Apply a cache's rule to every request of a log, in the order of its recorded times.

    An entry exists from the moment of the request that writes it; there is a breakpoint wherever
    prompts branch.
    """
    rule, prompt_tok = offer.cache, log.rows.input_tokens
    live = live_tokens(log.tree, log.prefix_node, log.rows.at_s, rule.ttl_s)
    cached = np.where(live >= rule.min_tok, live // rule.step_tok * rule.step_tok, 0)
    written = np.zeros_like(cached)
    if rule.bills_writes:
        ends = np.zeros_like(cached)
        has_prefix = log.prefix_node >= 0
        ends[has_prefix] = log.tree.depth_tok[log.prefix_node[has_prefix]]
        written = np.where(ends >= rule.min_tok, ends - cached, 0)
    total = int(prompt_tok.sum())
    read_share, write_share = float(cached.sum() / total), float(written.sum() / total)
    return Cacheability(
        total,
        read_share,
        write_share,
        1 + read_share * (offer.read - 1) + write_share * (offer.write - 1),
    )
