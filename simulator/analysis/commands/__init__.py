"""Analyses that answer commands of their own: explain, capacity, replications, cacheability."""
