"""Prompt reuse in a log, and the hit rates of block caches of any size."""
