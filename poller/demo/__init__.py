"""A simulated Jenkins and SEI, and the walkthrough on them."""
