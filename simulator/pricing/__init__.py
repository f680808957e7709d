"""Prices of API calls: rate cards, bills, prompt-cache rules, price feeds."""
