"""Scenario files as documents: values with their positions, shipped files, attached files."""
