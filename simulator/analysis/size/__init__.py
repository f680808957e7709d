"""The cheapest size of an option that meets the targets."""
