"""Benchmarks of a deployment: predicted, and used for calibration."""
