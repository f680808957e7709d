"""What an API call costs: rate cards, the bill, prompt-cache rules."""
