"""The data plane: arrays of records, filled from a plan and from each chunk of requests."""
