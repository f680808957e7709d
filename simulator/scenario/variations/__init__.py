"""Variations of a scenario: sweeps, and the axis of a break-even."""
