"""Aggregated usage: sums of calls in buckets of time, as providers and dashboards export them."""
