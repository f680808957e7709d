"""From a checked scenario to a study of plain values."""
