"""The schema of scenario files: a pydantic model for each section."""
