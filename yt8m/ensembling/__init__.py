"""Several submissions made one: their rows found and joined, and their weights fitted."""
