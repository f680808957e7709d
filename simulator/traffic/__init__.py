"""What arrives: request table, prefix tree, generators and trace readers."""
