"""Speed of deployments: accelerators, model shapes, step time, KV capacity."""
