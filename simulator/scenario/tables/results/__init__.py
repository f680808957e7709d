"""Readers of the results that load generators write, recognised by their structure."""
