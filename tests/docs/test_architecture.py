"""docs/architecture.md does not lie: its map is drawn anew, its paths, names, threads and settings are looked up."""

from __future__ import annotations

import ast
import re
import runpy
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from helpers.documents import read
from helpers.paths import PROJECT

PAGE = PROJECT / "docs" / "architecture.md"
TEXT = read(PAGE)
REFERENCE = re.compile(r"`([\w./-]+\.(?:py|tcss|toml|txt|md|json))(?:::([\w.]+))?`")
MENTIONS = [(name, *found) for name in ("docs/architecture.md", "CONTRIBUTING.md")
            for found in sorted(set(REFERENCE.findall(read(PROJECT / name))))]  # fmt: skip


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    return runpy.run_path(str(PROJECT / "tools" / "architecture_map.py"))


# -- the map -----------------------------------------------------------------------------------------------------------


def test_the_map_is_the_one_that_the_script_draws(tool: dict[str, Any]) -> None:
    wanted = tool["with_map"](TEXT, tool["drawn"]())
    assert wanted == TEXT, "run `python tools/architecture_map.py`, and look at the picture"


def test_rooms_that_may_be_missing_are_drawn_where_they_are(tool: dict[str, Any]) -> None:
    written = ["cli", "web : (server)", "a | b"]
    assert tool["layers"](written, lambda room: room != "server") == [["cli"], ["web"], ["a", "b"]]
    assert tool["layers"](written, lambda room: True) == [["cli"], ["web", "server"], ["a", "b"]]
    assert tool["layers"](["(ray)", "core"], lambda room: room == "core") == [["core"]]


def _diagram(tool: dict[str, Any], rows: list[list[str]], *imports: tuple[str, str]) -> list[str]:
    lines = tool["diagram"](rows, lambda one, other: (one, other) in imports).splitlines()
    return [line.strip() for line in lines if "-->" in line or "==>" in line]


def test_an_arrow_is_left_out_where_a_longer_way_says_the_same(tool: dict[str, Any]) -> None:
    rows = [["top"], ["middle"], ["low"], ["ground"]]
    drawn = _diagram(tool, rows, ("top", "middle"), ("top", "low"), ("middle", "low"), ("low", "ground"))
    assert drawn == ["top --> middle", "middle --> low"]


def test_an_import_against_the_layers_is_a_thick_arrow(tool: dict[str, Any]) -> None:
    rows = [["top"], ["middle"], ["ground"]]
    assert _diagram(tool, rows, ("top", "middle"), ("middle", "top")) == ["top --> middle", "middle ==> top"]


def test_rooms_of_one_row_that_know_each_other_are_both_drawn(tool: dict[str, Any]) -> None:
    assert _diagram(tool, [["a", "b"], ["ground"]], ("a", "b"), ("b", "a")) == ["a --> b", "b --> a"]


def test_a_page_without_markers_is_refused(tool: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="lacks one of its markers"):
        tool["with_map"]("# Architecture\n", "")


# -- paths and names ---------------------------------------------------------------------------------------------------


def _file(path: str) -> Path | None:
    """From the top, or in `livemerc/`; of a file to be written (NAME in it) the folder counts."""
    if "NAME" in path:
        path = str(Path(path).parent)
    return next((there for there in (PROJECT / path, PROJECT / "livemerc" / path) if there.exists()), None)


@cache
def _names(file: Path) -> set[str]:
    """What a module defines at its top, and `Class.member` of its classes."""
    found: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        found |= _defined(node)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{member}" for inner in node.body for member in _defined(inner)}
    return found


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


@pytest.mark.parametrize(("page", "path", "name"), MENTIONS)
def test_every_path_and_name_is_there(page: str, path: str, name: str) -> None:
    file = _file(path)
    assert file is not None, path
    assert not name or name in _names(file), f"{path} has no {name}"


def test_the_recipes_name_what_must_be_extended() -> None:
    recipes = TEXT[TEXT.index("\n## Recipes") :].split("\n### ")[1:]
    assert [recipe.splitlines()[0] for recipe in recipes] == [
        "A source", "A recogniser", "A panel", "An export format", "A corpus",
    ]  # fmt: skip
    for recipe in recipes:
        paths = {path for path, _ in REFERENCE.findall(recipe)}
        assert any("NAME" in path for path in paths), "the file to write"
        assert any(path.startswith("tests/") for path in paths), "its tests"
        assert any(path.startswith("docs/") for path in paths), "the page that a user reads"


# -- words -------------------------------------------------------------------------------------------------------------


def _section(title: str) -> str:
    return TEXT[TEXT.index(f"\n## {title}\n") :].split("\n## ")[1]


def test_every_term_says_where_it_lives() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", _section("Glossary"), re.MULTILINE)[2:]
    assert len(rows) > 40
    assert [term for term, _, where in rows if not REFERENCE.search(where)] == []


def test_every_thread_is_begun_where_the_page_says() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| `([^`:]+)::", _section("Threads of a live session"), re.MULTILINE)
    assert len(rows) >= 9
    for thread, path in rows:
        file = _file(path)
        assert file is not None, path
        assert f'"{thread}"' in file.read_text("utf-8"), thread


def test_every_setting_exists() -> None:
    from livemerc.config import Config

    known = {
        f"{section}.{key}"
        for section, keys in msgspec.to_builtins(Config()).items() if isinstance(keys, dict)
        for key in keys
    }  # fmt: skip
    sections = {key.split(".")[0] for key in known}
    named = {f"{s}.{k}" for s, k in re.findall(r"`([a-z]+)\.([a-z_]+)`", TEXT) if s in sections and k != "py"}
    assert len(named) > 10
    assert named <= known | {"asr.gated"}  # which is a field of an event
