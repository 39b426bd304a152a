"""From the outbox to SEI, Harness IaCM and JSON Lines: order, sending, what an answer means."""
