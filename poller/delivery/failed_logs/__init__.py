"""Failed builds on their way to SEI with their logs, as its own Jenkins plugin sends them."""
