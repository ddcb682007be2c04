"""What is known of the checkpoint that judged a session: its model card, if that very checkpoint is at hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from livemerc.errors import ModelError
from livemerc.events import CheckpointInfo
from livemerc.model.checkpoint import BUNDLED, checkpoint_info
from livemerc.sessions.session import RecordedSession

CARD = "MODEL_CARD.md"
_LONGEST_CARD_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Card:
    """`about`, `limits`, `use`: its sections as plain paragraphs; `figures`: rows of its table; `ece`: one of them."""

    about: str
    limits: list[str]
    use: str
    figures: list[tuple[str, str]]
    ece: float | None


def checkpoint_of(session: RecordedSession) -> CheckpointInfo | None:
    """The checkpoint that judged the session; None where unknown."""
    if session.start is not None:
        return session.start.checkpoint
    return None if session.info is None else session.info.checkpoint


def find_card(session: RecordedSession) -> Card | None:
    """The card beside the manifest with the recorded hash: the bundled checkpoint's, or that of the recorded folder."""
    recorded = checkpoint_of(session)
    if recorded is None:
        return None
    for folder in _folders(session):
        try:
            if checkpoint_info(folder).sha256 != recorded.sha256:
                continue
            with (folder / CARD).open("rb") as file:
                return parse(file.read(_LONGEST_CARD_BYTES).decode("utf-8", "replace"))
        except (ModelError, OSError, ValueError):
            continue  # no checkpoint there any more, or one without a card: the report says that there is none
    return None


def _folders(session: RecordedSession) -> list[Path]:
    folders = [BUNDLED]
    model = session.info.config.get("model") if session.info is not None else None
    own = model.get("checkpoint") if isinstance(model, dict) else None
    # a path from a file that may come from anyone: no share of another machine is opened for it
    if not isinstance(own, str) or not own or own.startswith(("\\\\", "//")):
        return folders
    return [*folders, Path(own)]


def parse(markdown: str) -> Card:
    """The parts that a report quotes, from Markdown: first paragraph, a table of figures, Limits, Intended use."""
    sections: dict[str, list[str]] = {"": []}
    title = ""
    for line in markdown.splitlines():
        if line.startswith("#"):
            title = line.lstrip("#").strip().lower() if line.startswith("## ") else ""
            sections.setdefault(title, [])
        else:
            sections[title].append(line)
    figures: list[tuple[str, str]] = []
    for name, lines in sections.items():
        if name.startswith("figures"):
            figures = _rows(lines)
    ece = next((float(m[1]) for _, value in figures if (m := re.search(r"\bECE (0?\.\d+)", value))), None)
    paragraphs = _paragraphs(sections[""])
    return Card(
        about=paragraphs[0] if paragraphs else "",
        limits=_bullets(sections.get("limits", [])),
        use=" ".join(_paragraphs(sections.get("intended use", []))),
        figures=figures,
        ece=ece,
    )


def _rows(lines: list[str]) -> list[tuple[str, str]]:
    rows = [[_plain(cell) for cell in line.strip().strip("|").split("|")] for line in lines if line.startswith("|")]
    return [(row[0], row[1]) for row in rows[2:] if len(row) >= 2]


def _bullets(lines: list[str]) -> list[str]:
    bullets: list[str] = []
    for line in lines:
        if line.startswith(("- ", "* ")):
            bullets.append(line[2:].strip())
        elif line.strip() and bullets:
            bullets[-1] += " " + line.strip()
    return [_plain(bullet) for bullet in bullets]


def _paragraphs(lines: list[str]) -> list[str]:
    blocks = "\n".join(line for line in lines if not line.startswith("|")).split("\n\n")
    return [_plain(" ".join(block.split())) for block in blocks if block.strip()]


def _plain(markdown: str) -> str:
    return re.sub(r"\*\*|`", "", markdown).strip()
