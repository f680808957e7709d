"""Compiled code for providers: endpoints, rate limits, prompt caches, gateways."""
