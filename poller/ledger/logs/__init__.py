"""Console logs in the ledger, and the search in them."""
