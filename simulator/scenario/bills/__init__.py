"""Bills of logs and usage exports: what calls cost at list prices, and what was recorded."""
