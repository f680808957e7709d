"""The cheapest size at which an option meets the targets."""
