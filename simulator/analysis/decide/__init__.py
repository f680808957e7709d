"""The verdict: break-even, uncertainty, drivers, switching values, months."""
