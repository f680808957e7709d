"""Record types of what providers sell: endpoints, their limits, budgets, prices and caches, and of
gateways.
"""

from simulator.engine.records.layout import LATENCIES, f8, i1, i4, i8, record

ENDPOINT = record(
    ("ttft_median_s", f8),
    ("ttft_sigma", f8),  # standard deviation of the logarithm of TTFT
    ("prefill_token_s", f8),  # TTFT per uncached prompt token
    ("prefill_token2_s", f8),  # TTFT per squared prompt token, less squared cached ones
    ("output_tok_s", f8),  # median speed of an answer
    ("speed_sigma", f8),  # standard deviation of the logarithm of the speed
    ("cache_ttl_s", f8),
    ("cache_max_age_s", f8),
    ("cache_machine_per_min", f8),  # requests per minute that one machine of the cache takes
    ("cache_pays_from", f8),  # tokens read per token written from which marks are set
    ("error_rate", f8),
    ("error_s", f8),
    ("window_s", f8),  # longest time that batch work may take
    ("spent_usd", f8),  # price of all answers given
    ("attempts", i8),  # attempts so far of requests that fit, outages left out
    ("cache_min_tok", i4),
    ("cache_step_tok", i4),
    ("cache_shared", i4),  # upper levels of the prefix tree that are marked as shared
    ("cache_lookback", i4),  # nodes above the end of a prompt at which the cache is looked up
    ("context_tok", i4),
    ("max_input_tok", i4),
    ("max_output_tok", i4),
    ("concurrency", i4),
    ("queue", i4),  # requests that may wait
    ("first_limit", i4),
    ("limits", i4),
    ("first_budget", i4),
    ("budgets", i4),
    ("first_rate", i4),
    ("tiers", i4),  # number of prices by prompt length
    ("shares", i4),  # number of prices by cached share
    ("max_reasoning_tok", i4),
    ("periods", i4),  # number of price periods
    ("period", i4),  # index of the current price period
    ("in_flight", i4),
    ("queued", i4),
    ("waiting_head", i4),  # first row of the queue, or NONE
    ("cache_rule", i1),
    ("cache_end_mark", i1),  # whether one mark is for the end of a prompt
    ("cache_stored", i1),  # whether storage in the cache is billed
    ("cached_counts", i1),  # whether cached tokens count towards limits
    ("refuses_long_outputs", i1),
    ("billed_at_completion", i1),  # whether prices are those of the end of an answer
    ("down", i1),  # whether there is an outage
)

LIMIT = record(  # a token bucket that refills continuously
    ("per_s", f8),  # refill per second
    ("most", f8),  # capacity of the bucket
    ("level", f8),  # content of the bucket at ``at_s``
    ("at_s", f8),
    ("producing_tok_s", f8),  # output of all calls being served, for a limit on produced output
    ("of", i1),  # what the limit counts
)

FIXED, ROLLING, MONTHLY = 0, 1, 2
"""Kinds of periods of a budget."""
ROLLING_PARTS = 60
"""Parts of a rolling period, which is forgotten part by part."""

BUDGET = record(  # money per period: budgets of endpoints, then of targets, then of gateways
    ("usd", f8),
    ("period_s", f8),  # length of a period, or of one part of a rolling period
    ("spent_usd", f8),  # money spent in the current period
    ("period", i8),  # number of the current period, or of the current part of a rolling one
    ("spends", i4),  # row of ``EngineState.spends`` of a rolling budget, NONE for other kinds
    ("kind", i1),
)

RATE = record(  # prices of an endpoint by period, reasoning (no, yes), tier and cached share
    ("from_s", f8),
    ("from_tok", i8),
    ("from_share", f8),
    ("input_usd", f8),  # USD per uncached input token
    ("cache_read_usd", f8),  # USD per cached input token
    ("cache_write_usd", f8),  # USD per token written to the cache
    ("output_usd", f8),  # USD per visible output token
    ("reasoning_usd", f8),  # USD per reasoning token
    ("storage_usd", f8),  # USD per cached token and hour
    ("request_usd", f8),  # USD per request
)

TARGET = record(  # an endpoint as one target of a gateway
    ("weight", f8),
    ("cooling_until_s", f8),
    ("minute", i8),  # number of the minute to which ``minute_*`` belong
    ("minute_attempts", i4),
    ("minute_failures", i4),
    ("minute_tok", i8),
    ("usd_per_tok", f8),  # smoothed price of an answer per token; 0 before the first answer
    ("success", f8),  # smoothed share of attempts that succeed
    ("latency_sum_s", f8),  # sum of ``latency_s``
    ("latencies", i8),  # latencies ever recorded
    ("latency_s", f8, (LATENCIES,)),  # latest times to first token
    ("endpoint", i4),
    ("tier", i4),
)

GATEWAY = record(
    ("backoff_s", f8),
    ("backoff_max_s", f8),
    ("jitter", f8),
    ("retry_after_max_s", f8),
    ("cooldown_s", f8),
    ("failure_share", f8),
    ("latency_buffer", f8),
    ("sticky_s", f8),
    ("max_prompt_usd", f8),  # highest price of an input token
    ("max_output_usd", f8),  # highest price of an output token
    ("first_target", i4),
    ("targets", i4),
    ("tiers", i4),
    ("attempts", i4),  # attempts within one tier
    ("failures_counted", i4),  # attempts within a minute from which ``failure_share`` holds
    ("failures_allowed", i4),  # failures within a minute, or NONE for any number
    ("strategy", i1),
    ("repeats", i1),
    ("backs_off_always", i1),
    ("gives_up_on_long_waits", i1),
    ("cools_on_limit", i1),
    ("bypass", i1),
    ("knows_limits", i1),
    ("checks_output", i1),
)

PREFIX = record(  # a prefix-tree node in an endpoint's prompt cache
    ("ready_s", f8),
    ("expiry_s", f8),
    ("used_s", f8),  # time of the last prompt with this node, cached or not
    ("machines", i8),  # bit of each machine that has cached the node
    ("minute", i4),  # number of the minute to which ``requests`` belongs
    ("requests", i4),
)

REUSE = record(  # what marks would have brought a workload: on shared prefixes, then on ends
    ("read_tok", f8),
    ("written_tok", f8),
)
