"""Scenarios, profiles and the price book as users write them; the only layer that reads YAML."""
