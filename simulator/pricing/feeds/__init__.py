"""Readers of price files of genai-prices, LiteLLM and model-prices, and their comparison."""
