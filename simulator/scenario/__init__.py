"""Scenarios, profiles and the price book as people write them; the only layer that sees YAML."""
