"""HTTP for all clients: transport, retry, limits, circuit breaker, error texts."""
