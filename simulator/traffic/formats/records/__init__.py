"""Reading of files into records, and of records into batches of a log."""
