"""The jobs of a controller, as its item tree shows them."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from poller.core.build_key import BuildKey


class Item(Struct, frozen=True, gc=False):
    """One job as the item tree shows it. ``newest`` are its two newest builds, asked for in the
    first poll only: none where it has none, None where it was not asked."""

    full_name: str
    cls: str
    next_build_number: int
    multibranch: bool = False
    newest: tuple[BuildKey, ...] | None = None


@dataclass
class ItemTree:
    """A controller's items, as they were read; ``where`` names it.

    ``unread`` are folders that could not be read whole, with the reason; the top is "".
    ``malformed`` counts the items that were not what Jenkins exports. ``depth`` is the number of
    levels that hold items.
    """

    where: str = ""
    items: dict[str, Item] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    malformed: int = 0
    depth: int = 1
