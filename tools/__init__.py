"""Scripts for developing; none is installed."""
