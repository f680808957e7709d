"""Compiled code for own replicas: batching, the step-time model, the KV cache, failures."""
