"""Compiled code for own replicas and endpoints alike: queues, heaps, hashing, request states."""
