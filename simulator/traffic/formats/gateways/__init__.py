"""Readers of exports of gateways and of observability tools."""
