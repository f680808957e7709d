"""Traffic: request tables, prefix trees, generators and readers of logs and traces."""
