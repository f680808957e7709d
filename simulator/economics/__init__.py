"""Cost of own hardware: purchase or rent, power, people, and their change over the horizon."""
