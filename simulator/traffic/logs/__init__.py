"""Request logs in memory: their columns, collection, replay and statistics."""
