"""Which requests are simulated, and how precise figures from a sample are."""
