"""What the documents show can be typed, every link leads somewhere, and every page can be found."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from helpers.documents import DOCS, PAGES, README, anchors, blocks, commands, inline_commands, links, name, read
from helpers.paths import PROJECT

from livemerc.cli import app


def _shown(program: str) -> list[tuple[str, list[str]]]:
    """Commands to be typed: in shell blocks, and those in the README's own sentences."""
    found = [(name(page), arguments) for page in PAGES for arguments in commands(read(page), program)]
    return found + [(name(README), arguments) for arguments in inline_commands(read(README), program)]


def _named(program: str) -> list[tuple[str, str]]:
    """Commands that sentences speak of, with or without their arguments."""
    return sorted({(name(page), words[0]) for page in PAGES for words in inline_commands(read(page), program)})


def _id(value: object) -> str:
    return " ".join(value) if isinstance(value, list) else str(value)


@pytest.mark.parametrize(("page", "arguments"), _shown("livemerc"), ids=_id)
def test_every_livemerc_command_parses(page: str, arguments: list[str]) -> None:
    command, _, _ = app.parse_args(arguments, print_error=False, exit_on_error=False)
    assert command is not None


@pytest.mark.parametrize(("page", "arguments"), _shown("livemerc-train"), ids=_id)
def test_every_training_command_parses(page: str, arguments: list[str]) -> None:
    from trainer.cli import app as training

    command, _, _ = training.parse_args(arguments, print_error=False, exit_on_error=False)
    assert command is not None


@pytest.mark.parametrize(("page", "command"), _named("livemerc"), ids=_id)
def test_every_livemerc_command_that_is_named_exists(page: str, command: str) -> None:
    assert command in set(app)


@pytest.mark.parametrize(("page", "command"), _named("livemerc-train"), ids=_id)
def test_every_training_command_that_is_named_exists(page: str, command: str) -> None:
    from trainer.cli import app as training

    assert command in set(training)


def _shell(page: Path) -> str:
    return "\n".join(blocks(read(page), "sh", "powershell"))


def _asked(pattern: str) -> list[tuple[str, str]]:
    """(page, what stands there) in the shell blocks and in running text as code."""
    return sorted({(name(p), found) for p in PAGES for found in re.findall(pattern, _shell(p) + _code(p))})


def _code(page: Path) -> str:
    return "\n".join(re.findall(r"`([^`\n]+)`", read(page)))


@pytest.mark.parametrize(("page", "target"), _asked(r"(?m)(?:^|(?<=\|))make ([a-z][a-z-]+)"), ids=_id)
def test_every_make_target_exists(page: str, target: str) -> None:
    assert re.search(rf"^{target}:", (PROJECT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("page", "module"), _asked(r"(?:python|launch) -m ((?:livemerc|trainer)[\w.]*)"), ids=_id)
def test_every_module_that_is_run_exists(page: str, module: str) -> None:
    assert importlib.util.find_spec(module) is not None


@pytest.mark.parametrize(("page", "script"), _asked(r"python (tools/[\w.]+)"), ids=_id)
def test_every_script_that_is_run_exists(page: str, script: str) -> None:
    assert (PROJECT / script).is_file()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for path, anchor in links(read(page)):
        there = page.parent / path if path else page
        assert there.exists(), path
        if anchor:
            assert anchor in anchors(read(there)), f"{path}#{anchor}"


@pytest.mark.parametrize("page", [*DOCS, PROJECT / "CONTRIBUTING.md", PROJECT / "CHANGELOG.md"], ids=name)
def test_every_page_is_linked_from_the_readme(page: Path) -> None:
    assert name(page) in {path for path, _ in links(read(README))}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_page_begins_with_its_one_title(page: Path) -> None:
    lines = re.sub(r"(?ms)^```.*?^```", "", read(page)).splitlines()
    assert lines[0].startswith("# ")
    assert sum(line.startswith("# ") for line in lines) == 1
