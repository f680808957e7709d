"""Steps from a scenario file to a checked document: extension, presets, units, distributions."""
