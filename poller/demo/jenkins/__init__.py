"""A simulated Jenkins."""
