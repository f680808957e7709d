"""Compiled code: the event loop, own replicas, and endpoints of providers."""
