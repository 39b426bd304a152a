"""Limits that keep the code easy to find one's way in: ``python -m tools.sizes``."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINES_OF_A_FILE, LINES_OF_A_FUNCTION, PARAMETERS, FILES_OF_A_PACKAGE = 300, 60, 6, 16
TOP_LEVEL = {"__init__.py", "__main__.py", "context.py", "py.typed"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def broken(root: Path = ROOT) -> dict[str, str]:
    """Each broken limit under ``root/poller``: its key, and the sentence."""
    trees = {path: ast.parse(path.read_text()) for path in sorted((root / "poller").rglob("*.py"))}
    found = dict(_of_packages(root))
    for path, tree in trees.items():
        found.update(_of_a_file(str(path.relative_to(root)), path.read_text(), tree))
    found.update(_class_names({p.relative_to(root): t for p, t in trees.items()}))
    return found


def _of_packages(root: Path) -> Iterator[tuple[str, str]]:
    top = root / "poller"
    for path in top.iterdir():
        if path.is_file() and path.name not in TOP_LEVEL:
            yield f"poller/{path.name}", f"poller/{path.name}: belongs in a package"
    for folder in (path for path in top.rglob("*") if path.is_dir()):
        count = len([path for path in folder.glob("*.py") if path.name != "__init__.py"])
        if count > FILES_OF_A_PACKAGE:
            name = folder.relative_to(root)
            yield f"{name}/", f"{name}/: {count} files, at most {FILES_OF_A_PACKAGE}"


def _of_a_file(name: str, text: str, tree: ast.Module) -> Iterator[tuple[str, str]]:
    lines = text.count("\n")
    if lines > LINES_OF_A_FILE:
        yield name, f"{name}: {lines} lines, at most {LINES_OF_A_FILE}"
    for qualified, node in _functions(tree):
        yield from _of_a_function(name, qualified, node)
    for line, private in _private_names(tree):
        yield f"{name} {private}", f"{name}:{line}: {private} is private to another module"


def _functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Each with the names of what it stands in: ``Sender.run_pass``."""
    for node in ast.iter_child_nodes(tree):
        inner = prefix
        if isinstance(node, ast.ClassDef | Function):
            inner = f"{prefix}{node.name}."
        if isinstance(node, Function):
            yield prefix + node.name, node
        yield from _functions(node, inner)


def _of_a_function(file: str, name: str, node: Function) -> Iterator[tuple[str, str]]:
    where = f"{file}:{node.lineno}: {name}"
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if lines > LINES_OF_A_FUNCTION:
        text = f"{where} has {lines} lines, at most {LINES_OF_A_FUNCTION}"
        yield f"{file} {name}: lines", text
    arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    given = [one.arg for one in arguments if one.arg not in ("self", "cls")]
    if len(given) > PARAMETERS and not _is_a_command(node):
        text = f"{where} has {len(given)} parameters, at most {PARAMETERS}"
        yield f"{file} {name}: parameters", text


def _is_a_command(node: Function) -> bool:
    """Typer makes options of its parameters."""
    return any(
        isinstance(one, ast.Call)
        and isinstance(one.func, ast.Attribute)
        and one.func.attr in ("command", "callback")
        for one in node.decorator_list
    )


def _private_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """``from poller.m import _x``, and ``m._x`` of an imported module or name."""
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("poller"):
            imported |= {one.asname or one.name for one in node.names}
            yield from ((node.lineno, one.name) for one in node.names if _is_private(one.name))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in imported
            and _is_private(node.attr)
        ):
            yield node.lineno, f"{node.value.id}.{node.attr}"


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _class_names(trees: dict[Path, ast.Module]) -> Iterator[tuple[str, str]]:
    """A name means one thing. The demo is on its own."""
    places = defaultdict(list)
    for path, tree in trees.items():
        if path.parts[1] != "demo":
            for node in ast.walk(tree):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(f"{path}:{node.lineno}")
    for name, at in places.items():
        if len(at) > 1:
            yield f"class {name}", f"class {name} is defined {len(at)} times: {', '.join(at)}"


def problems() -> list[str]:
    """One line for each broken limit."""
    return list(broken().values())


if __name__ == "__main__":
    for line in problems():
        print(line)
    sys.exit(bool(problems()))
