"""Choice of the requests that are simulated, and the precision of figures from a sample."""
