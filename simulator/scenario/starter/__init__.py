"""New scenarios and generated workloads, from a few answers."""
