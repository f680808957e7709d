"""Steps from a scenario file to a checked scenario: extension, presets, units, distributions."""
