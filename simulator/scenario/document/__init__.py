"""Scenario files as documents: values with their locations, shipped files, attached files."""
