"""Presentation of results: the result document, terminal tables, plots and the HTML report."""
