"""Sends every completed build of Jenkins controllers to Harness SEI, once."""

from __future__ import annotations

__version__ = "0.1.0"
