"""How fast a deployment is: accelerators, model shapes, step time, KV capacity."""
