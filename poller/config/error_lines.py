"""Where in the file a wrong key stands, which key was meant, and what is wrong, in words."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from poller.config.settings import Settings
from poller.core.known_secrets import remember_misplaced


def causes(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without those that only follow: pydantic counts items that are wrong as not there."""
    places = [error["loc"] for error in errors]
    return [
        error
        for error in errors
        if error["type"] != "too_short"
        or not any(place[:-1][: len(error["loc"])] == error["loc"] for place in places)
    ]


def findings_of(path: Path, text: str, error: ErrorDetails) -> str:
    """``FILE:LINE: controllers[0].urll: …``."""
    location, message = error["loc"], words_of(error)
    match error["type"]:
        case "extra_forbidden":
            remember_misplaced(str(location[-1]))
            message = f"no such key{_nearest(location)}"
        case "string_pattern_mismatch":
            fields = table_at(location[:-1]).model_fields
            message = f"not of its form: {fields[str(location[-1])].description}"
        case "twice":
            first, location = (*location, error["ctx"]["first"], "name"), (
                *location, error["ctx"]["second"], "name",
            )  # fmt: skip
            message += f"; the other is in line {line_of(text, first)}"
    line = line_of(text, location)
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return f"{path}:{line}: {key.lstrip('.') or 'the file'}: {message}"


WORDS = {
    "missing": "is missing",
    "string_type": "a text, in quotes",
    "string_too_short": "is empty",
    "bool_type": "true or false, without quotes",
    "int_type": "a whole number, without quotes",
    "int_from_float": "a whole number",
    "float_type": "a number, without quotes",
    "tuple_type": "a list: [ … ]",
    "dict_type": "a table",
    "model_type": "a table",
    "too_short": "at least 1 item",
    "greater_than_equal": "at least {ge}",
    "greater_than": "more than {gt}",
    "less_than_equal": "at most {le}",
}
"""What pydantic's kinds of errors are called here."""


def words_of(error: ErrorDetails) -> str:
    """What is wrong with a value. It is not repeated: it may be a secret at a wrong place."""
    if error["type"] == "literal_error":
        expected = str(error["ctx"]["expected"]).replace("'", "")
        known = expected.replace(" or ", ", ").split(", ")
        same = [one for one in known if one.lower() == str(error["input"]).lower()]
        return f"one of {expected}" + (f"; did you mean {same[0]}?" if same else "")
    if words := WORDS.get(error["type"]):
        return words.format(**error.get("ctx", {}))
    return error["msg"].removeprefix("Value error, ")


def _nearest(location: tuple[int | str, ...]) -> str:
    fields = table_at(location[:-1]).model_fields
    known = [field.alias or name for name, field in fields.items()]
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known are {', '.join(known)}"


def table_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    """The model of the table at that place."""
    model: type[BaseModel] = Settings
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in get_args(annotation) if (m := _model_in(a)) is not None), None)


def line_of(text: str, location: tuple[int | str, ...]) -> int:
    """The line of a key, or of its table when it is not there; 1 when nothing is."""
    wanted = [str(part) for part in location if isinstance(part, str)]
    index = next((part for part in location if isinstance(part, int)), None)
    table, seen, found = "", -1, 1
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\[?\s*([\w.\-\"' ]+?)\s*\]\]?", line):
            table = header[1].replace('"', "").replace(" ", "")
            seen += wanted[:1] == [table] and "[[" in line
            if _inside(table, wanted) and ("[[" not in line or seen == (index or 0)):
                found = number
        elif key := re.match(r"\s*[\"']?([\w.-]+)[\"']?\s*=", line):
            whole = [*table.split("."), key[1]] if table else [key[1]]
            if whole == wanted[: len(whole)] and (index is None or seen == index):
                found = number
    return found


def _inside(table: str, wanted: list[str]) -> bool:
    parts = table.split(".")
    return wanted[: len(parts)] == parts
