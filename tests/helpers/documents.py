"""The documents as tests read them: shell blocks, commands, links, anchors."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from helpers.paths import PROJECT

README = PROJECT / "README.md"
DOCS = sorted((PROJECT / "docs").glob("*.md"))
PAGES = [README, PROJECT / "CONTRIBUTING.md", PROJECT / "CHANGELOG.md", *DOCS]

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def name(page: Path) -> str:
    """As a test's id: the path in the project."""
    return page.relative_to(PROJECT).as_posix()


def read(page: Path) -> str:
    return page.read_text("utf-8")


def blocks(text: str, *languages: str) -> list[str]:
    """The fenced blocks in one of the `languages`."""
    return [body for language, body in _FENCE.findall(text) if language in languages]


def prose(text: str) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", text)


def commands(text: str, program: str) -> list[list[str]]:
    """Argument lists of every `program ...` in the shell blocks; comments, pipes and redirections are cut off."""
    found = []
    for line in "\n".join(blocks(text, "sh", "powershell")).splitlines():
        for part in re.sub(r" > [^\s|]+", "", line).split("|"):
            words = shlex.split(part.replace("\\", "/"), comments=True)
            if words and words[0].split("/")[-1] == program:
                found.append(words[1:])
    return found


def inline_commands(text: str, program: str) -> list[list[str]]:
    """`program ...` in running text."""
    return [shlex.split(words) for words in re.findall(rf"`{program} ([^`]+)`", prose(text))]


def links(text: str) -> list[tuple[str, str]]:
    """(path, anchor) of every link within the project; either may be empty."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(text))
    return [(path, anchor) for path, _, anchor in (link.partition("#") for link in found) if "://" not in path]


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings: small letters and hyphens."""
    titles = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
