"""Analyses for single commands: explain, capacity, replications, cacheability."""
