"""Control plane: controllers that start, stop and replace replicas while requests are served."""
