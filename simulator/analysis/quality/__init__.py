"""Correctness: success rates, shared difficulty, chains of agent steps."""
