"""Draws the map of the rooms -> docs/architecture.md, between its two markers.

    python tools/architecture_map.py [--check]

Rows are the layers of the import contracts in pyproject.toml, arrows are the imports in the code. `--check` writes
nothing and ends with 1 where the page holds another map. Needs import-linter, which brings grimp.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import grimp

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "architecture.md"
BEGIN = "<!-- the map begins: python tools/architecture_map.py writes it -->"
END = "<!-- the map ends -->"

Rows = list[list[str]]
Imports = Callable[[str, str], bool]
"""Whether the first room imports the second."""


def drawn() -> str:
    """The map as Markdown: a diagram for each contract of layers, a table of what is forbidden."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    graph = grimp.build_graph(
        *settings["root_packages"],
        exclude_type_checking_imports=settings["exclude_type_checking_imports"],
        cache_dir=None,
    )
    parts = []
    for contract in settings["contracts"]:
        if contract["type"] == "layers":
            for root in contract["containers"]:
                rows = layers(contract["layers"], lambda room, root=root: f"{root}.{room}" in graph.modules)
                imports = _imports(graph, root)
                parts.append(f"### {contract['name']}\n\n```mermaid\n{diagram(rows, imports)}\n```\n")
    parts.append(forbidden(settings["contracts"]))
    return "\n".join(parts)


def _imports(graph: grimp.ImportGraph, root: str) -> Imports:
    return lambda one, other: graph.direct_import_exists(
        importer=f"{root}.{one}", imported=f"{root}.{other}", as_packages=True
    )


def layers(written: Sequence[str], exists: Callable[[str], bool]) -> Rows:
    """The rooms of each layer, from the top. One in parentheses may be missing: then it is left out."""
    rows = [[name.strip(" ()") for name in re.split(r"[:|]", layer)] for layer in written]
    return [there for row in rows if (there := [room for room in row if exists(room)])]


def diagram(rows: Rows, imports: Imports) -> str:
    """Mermaid. Rows are held apart by invisible links; a thick arrow goes against the layers.

    Left out: arrows to the last row, which everybody may use, and arrows where a longer way says the same.
    """
    order = {room: number for number, row in enumerate(rows) for room in row}
    drawable = [room for row in rows[:-1] or rows for room in row]
    known = {one: {other for other in drawable if other != one and imports(one, other)} for one in drawable}
    down = {one: {other for other in known[one] if order[other] >= order[one]} for one in drawable}
    lines = ["flowchart TB", *(f"    {room}" for row in rows for room in row)]
    lines += [f"    {' & '.join(row)} ~~~ {' & '.join(below)}" for row, below in pairwise(rows)]
    for one in drawable:
        direct = [other for other in drawable if other in down[one] and not _leads(down, one, other)]
        lines += [f"    {one} --> {' & '.join(direct)}"] if direct else []
        lines += [f"    {one} ==> {other}" for other in drawable if other in known[one] - down[one]]
    return "\n".join(lines)


def _leads(arrows: Mapping[str, set[str]], one: str, other: str) -> bool:
    """Whether a longer way leads from `one` to `other`."""
    seen, todo = {one}, arrows[one] - {other}
    while todo:
        room = todo.pop()
        seen.add(room)
        todo |= arrows[room] - seen
    return other in seen


def forbidden(contracts: Sequence[Mapping[str, Any]]) -> str:
    """A table of what must never be imported, and by whom."""
    rows = [
        f"| {contract['name']} | {_names(contract['source_modules'])} | {_names(contract['forbidden_modules'])} |"
        for contract in contracts
        if contract["type"] == "forbidden"
    ]
    return "\n".join(["### Never", "", "| rule | who | never imports |", "| --- | --- | --- |", *rows, ""])


def _names(modules: Sequence[str]) -> str:
    return ", ".join(f"`{module.removeprefix('livemerc.')}`" for module in modules)


def with_map(page: str, drawing: str) -> str:
    """The page with that map between its markers. Raises `ValueError` where a marker is missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page lacks one of its markers: {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{drawing}\n{END}{after}"


def _told(arguments: Sequence[str]) -> Iterator[str]:
    page = PAGE.read_text("utf-8")
    new = with_map(page, drawn())
    if "--check" not in arguments:
        PAGE.write_text(new, encoding="utf-8")
    elif new != page:
        yield f"{PAGE.relative_to(PROJECT)} holds another map; run `python tools/architecture_map.py`, and look at it."


if __name__ == "__main__":
    sentences = list(_told(sys.argv[1:]))
    print("\n".join(sentences), end="\n" if sentences else "")
    sys.exit(1 if sentences else 0)
