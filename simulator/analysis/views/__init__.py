"""Simulations for the charts of a report."""
