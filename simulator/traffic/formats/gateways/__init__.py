"""Readers of the exports of gateways and observability tools."""
