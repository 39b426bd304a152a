"""Web page, metrics and health: one snapshot of the numbers, rendered."""
