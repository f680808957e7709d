"""Charts: Matplotlib functions, and their interactive form."""
