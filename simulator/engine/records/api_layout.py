"""Records of what is bought: endpoints, their limits, prices and caches, and gateways."""

from simulator.engine.records.layout import LATENCIES, f8, i1, i4, i8, record

ENDPOINT = record(
    ("ttft_median_s", f8),
    ("ttft_sigma", f8),
    ("prefill_token_s", f8),
    ("prefill_token2_s", f8),  # the same for the square of the length
    ("output_tok_s", f8),
    ("speed_sigma", f8),
    ("cache_ttl_s", f8),
    ("cache_max_age_s", f8),
    ("cache_machine_per_min", f8),
    ("cache_pays_from", f8),  # tokens read per token written
    ("error_rate", f8),
    ("error_s", f8),
    ("window_s", f8),
    ("spent_usd", f8),  # for all answers given
    ("asked", i8),  # attempts
    ("cache_min_tok", i4),
    ("cache_step_tok", i4),
    ("cache_shared", i4),  # levels of the prefix tree that are marked
    ("cache_lookback", i4),
    ("context_tok", i4),
    ("max_input_tok", i4),
    ("max_output_tok", i4),
    ("concurrency", i4),
    ("queue", i4),
    ("first_limit", i4),
    ("limits", i4),
    ("first_budget", i4),
    ("budgets", i4),
    ("first_rate", i4),
    ("tiers", i4),  # prices by prompt length
    ("shares", i4),  # prices by cached share
    ("max_reasoning_tok", i4),
    ("periods", i4),  # prices by time
    ("period", i4),  # the current one
    ("in_flight", i4),
    ("queued", i4),
    ("waiting_head", i4),
    ("cache_rule", i1),
    ("cache_end_mark", i1),
    ("cache_stored", i1),
    ("cached_counts", i1),
    ("refuses_long_outputs", i1),
    ("billed_at_completion", i1),
    ("down", i1),
)

LIMIT = record(  # a token bucket that refills continuously
    ("per_s", f8),
    ("most", f8),
    ("level", f8),
    ("at_s", f8),
    ("producing_tok_s", f8),  # of all calls being served, where output counts as it is produced
    ("of", i1),
)

FIXED, ROLLING, MONTHLY = 0, 1, 2
"""Kinds of periods of a budget."""
ROLLING_PARTS = 60
"""A rolling period forgets what was spent in so many steps."""

BUDGET = record(  # money per period; of endpoints, then of targets, then of gateways
    ("usd", f8),
    ("period_s", f8),  # of a rolling budget: of a part
    ("spent_usd", f8),  # in the period
    ("period", i8),  # number of the last one, or of the last part
    ("spends", i4),  # row of a rolling budget, NONE: no such
    ("kind", i1),
)

RATE = record(  # by period, reasoning (no, yes), tier and cached share of an endpoint
    ("from_s", f8),
    ("from_tok", i8),
    ("from_share", f8),
    ("input_usd", f8),  # per token
    ("cache_read_usd", f8),
    ("cache_write_usd", f8),
    ("output_usd", f8),
    ("reasoning_usd", f8),
    ("storage_usd", f8),  # per token and hour
    ("request_usd", f8),
)

TARGET = record(  # an endpoint behind a gateway
    ("weight", f8),
    ("cooling_until_s", f8),
    ("minute", i8),  # that the counts below are of
    ("minute_attempts", i4),
    ("minute_failures", i4),
    ("minute_tok", i8),
    ("usd_per_tok", f8),  # smoothed, as billed; 0 before the first answer
    ("success", f8),  # smoothed share of attempts
    ("latency_sum_s", f8),
    ("latencies", i8),
    ("latency_s", f8, (LATENCIES,)),
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
    ("max_prompt_usd", f8),  # per token
    ("max_output_usd", f8),
    ("first_target", i4),
    ("targets", i4),
    ("tiers", i4),
    ("attempts", i4),
    ("failures_counted", i4),
    ("failures_allowed", i4),
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
    ("used_s", f8),  # last prompt with it, whether it was cached or not
    ("machines", i8),  # bit by machine that has it
    ("minute", i4),  # that ``requests`` is of
    ("requests", i4),
)

REUSE = record(  # what marking would have brought a workload: shared beginnings, then ends
    ("read_tok", f8),
    ("written_tok", f8),
)
