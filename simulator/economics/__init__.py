"""What owning costs: rent, people and everything beside the hardware."""
