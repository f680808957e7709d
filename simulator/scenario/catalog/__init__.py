"""The shipped catalogue: accelerators, models, engines, offers and their prices, by name."""
