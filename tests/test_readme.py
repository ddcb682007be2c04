"""The README: its beginning, its length, its tree and its figures. What holds of every page is in `docs/`."""

from __future__ import annotations

import re

import pytest
from helpers.documents import README as PAGE
from helpers.documents import blocks, commands, read
from helpers.paths import PROJECT

README = read(PAGE)


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len(README.splitlines()) <= 250


def test_the_readme_has_commands_of_every_kind() -> None:
    assert len(commands(README, "livemerc")) >= 10
    assert len(commands(README, "livemerc-train")) >= 3
    assert {arguments[0] for arguments in commands(README, "livemerc")} >= {
        "run",
        "devices",
        "doctor",
        "models",
        "bench",
    }


def test_the_readme_opens_with_the_two_commands() -> None:
    first = [line.split("#")[0].strip() for line in blocks(README, "sh")[0].splitlines()]
    assert first == ["make demo", "make test"]
    assert README.index("make demo") < README.index("livemerc listens")


def _tree() -> list[str]:
    paths, parents = [], [""]
    for line in next(block for block in blocks(README, "text") if "livemerc/" in block).splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        path = "".join(parents[1 : depth + 1]) + name
        del parents[depth + 1 :]
        parents.append(name)
        paths.append(path)
    return paths


@pytest.mark.parametrize("path", _tree())
def test_every_path_of_the_tree_exists(path: str) -> None:
    there = PROJECT / path
    assert there.is_dir() if path.endswith("/") else there.is_file()


@pytest.mark.parametrize("package", ["livemerc", "trainer"])
def test_the_tree_has_every_room(package: str) -> None:
    rooms = {f"{init.parent.relative_to(PROJECT).as_posix()}/" for init in (PROJECT / package).glob("*/__init__.py")}
    assert rooms <= set(_tree())


def test_no_figure_stands_in_the_readme_alone() -> None:
    section = README[README.index("\n## Figures") : README.index("\n## Train on")]
    whole = read(PROJECT / "docs" / "figures.md")
    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert len(rows) > 3
    assert set(rows) <= set(whole.splitlines())
    measured = whole + read(PROJECT / "docs" / "performance.md")
    spoken = re.findall(r"\d+", "\n".join(line for line in section.splitlines() if not line.startswith("|")))
    assert {number for number in spoken if not re.search(rf"(?<!\d){number}(?!\d)", measured)} == set()
