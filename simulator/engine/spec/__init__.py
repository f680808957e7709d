"""What a run simulates: fleets, endpoints, gateways, and the rules of its control plane."""
