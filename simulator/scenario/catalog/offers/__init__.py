"""Names of offers: their parts, their comparison, and the search of the price book by them."""
