"""The command line: parses arguments, calls one action, prints its result."""
