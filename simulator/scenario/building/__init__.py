"""Builders that turn a checked scenario into a study of plain values."""
