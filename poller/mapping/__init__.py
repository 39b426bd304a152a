"""A build becomes the payload that is sent. Pure functions, no I/O."""
