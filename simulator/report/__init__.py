"""How it is told: the result document, terminal tables, plots and the HTML report."""
