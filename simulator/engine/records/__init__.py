"""Record types of the data plane: NumPy structures that compiled and plain code share."""
