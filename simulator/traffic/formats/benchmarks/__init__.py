"""Readers of the result files of load generators."""
