"""Compiled code: the event loop, routing, own replicas, and endpoints of providers."""
