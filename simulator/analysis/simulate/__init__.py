"""One option at one size: requests, plan, simulation, tally, outcome."""
