"""Benchmarks of deployments that are given by name, one by one or in a table."""
