"""Request logs in memory: their columns, how they are collected, replayed and summarised."""
