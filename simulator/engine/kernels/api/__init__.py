"""Compiled code of providers: endpoints, rate limits, prompt caches, gateways."""
