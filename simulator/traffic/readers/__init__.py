"""Trace readers: one file per format, each from a path to a request table."""
