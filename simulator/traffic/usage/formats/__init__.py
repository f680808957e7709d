"""Readers of usage exports, one module for each tool or provider."""
