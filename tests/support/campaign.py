"""How much of a long campaign is run."""

from __future__ import annotations

import os
from typing import Any

import pytest


def sizes(small: int, long: int) -> list[Any]:
    """Of a test that is a campaign: ``small`` at each run; with ``-m campaign`` it is ``long``, times
    ``CAMPAIGN`` of the environment. To be given to ``parametrize``."""
    times = float(os.environ.get("CAMPAIGN", "1"))
    return [small, pytest.param(round(long * times), marks=pytest.mark.campaign)]
