"""Result documents, and the tables and files made from them."""
