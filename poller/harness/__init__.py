"""The Harness API 1.0 and IaCM's executions."""
