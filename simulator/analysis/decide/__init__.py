"""The verdict: break-even, uncertainty, drivers, switching values, and costs over the horizon."""
