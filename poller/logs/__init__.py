"""Console logs: cleaned, redacted, cut and searched. Pure: no I/O here."""
