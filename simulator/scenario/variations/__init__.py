"""Variations of a scenario: the points of a sweep, and the axis of a break-even."""
