"""How much of a log's prompts a provider's prompt cache would find, and what that does to input."""

from dataclasses import dataclass

import numpy as np

from simulator.pricing.caching import CacheOffer
from simulator.traffic.logs.log import Log
from simulator.traffic.reuse.reuse import live_tokens


@dataclass(frozen=True, slots=True)
class Cacheability:
    """Shares of all prompt tokens, and the price of input against input that is never cached."""

    input_tokens: int
    cached_fraction: float
    written_fraction: float
    input_price_multiplier: float


def cacheability(log: Log, offer: CacheOffer) -> Cacheability:
    """Apply a cache's rule to every request of a log, in the order of its recorded times.

    An entry exists from the moment of the request that writes it; a breakpoint stands at every
    place where prompts part.
    """
    rule, prompt_tok = offer.cache, log.rows.input_tokens
    live = live_tokens(log.tree, log.prefix_node, log.rows.at_s, rule.ttl_s)
    cached = np.where(live >= rule.min_tok, live // rule.step_tok * rule.step_tok, 0)
    written = np.zeros_like(cached)
    if rule.bills_writes:
        ends = np.zeros_like(cached)
        known = log.prefix_node >= 0
        ends[known] = log.tree.depth_tok[log.prefix_node[known]]
        written = np.where(ends >= rule.min_tok, ends - cached, 0)
    total = int(prompt_tok.sum())
    read_share, write_share = float(cached.sum() / total), float(written.sum() / total)
    return Cacheability(
        total,
        read_share,
        write_share,
        1 + read_share * (offer.read - 1) + write_share * (offer.write - 1),
    )
