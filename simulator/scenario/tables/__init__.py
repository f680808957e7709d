"""Tables that users bring: usage, evaluations, measurements, calibrations."""
