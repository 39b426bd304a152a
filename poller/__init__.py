"""Sends every completed build of Jenkins controllers to Harness SEI, once."""

__version__ = "0.1.0"
