"""Readers of the results of load generators."""
