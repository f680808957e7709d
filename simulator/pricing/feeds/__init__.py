"""Price files of others as rate cards: genai-prices' data, LiteLLM's map, model-prices' history."""
