"""Aggregated usage from metrics: of cloud providers, and of serving engines in Prometheus."""
