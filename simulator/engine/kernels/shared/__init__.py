"""Compiled code for own replicas and endpoints alike: queues, heaps, random draws, requests."""
