"""Files that users supply: usage, evaluations, measurements, calibrations."""
