"""The files of one stage. The state is the truth; the log and the best weights are written after it, from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from livemerc.errors import ConfigError
from trainer.loop.differences import first_difference
from trainer.loop.saving import load_state, save_state, write_whole

FORMAT = 4
"""Format of the resume file."""


class StageFiles:
    """`NAME.resume.pt`, the state that a run goes on from; `NAME.best.pt`, the weights that are kept; `NAME.jsonl`, a
    line an epoch."""

    def __init__(self, out: Path, name: str):
        self.resume = out / f"{name}.resume.pt"
        self.best = out / f"{name}.best.pt"
        self.log = out / f"{name}.jsonl"

    def save(self, state: dict[str, Any], begun_with: dict[str, Any] | None) -> None:
        save_state({"format": FORMAT, "begun_with": json.dumps(begun_with), **state}, self.resume)

    def read(self, begun_with: dict[str, Any] | None, world: int) -> dict[str, Any] | None:
        """The state, None where there is none. Raises `ConfigError` where it is broken or of another run."""
        if not self.resume.exists():
            return None
        state = load_state(self.resume)
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise ConfigError(f"{self.resume}: written by another version; train this stage again with --overwrite.")
        begun, now = json.loads(state["begun_with"]) or {}, json.loads(json.dumps(begun_with)) or {}
        if begun != now:
            raise ConfigError(f"{self.resume}: {first_difference(begun, now)}; name another --out or --overwrite.")
        if json.loads(state["at"])["step"] and state["processes"] != world:
            raise ConfigError(
                f"{self.resume}: was saved inside an epoch by {state['processes']} processes, not {world}; start as "
                "many, or --overwrite."
            )
        return state

    def write_log(self, epochs: list[dict[str, Any]]) -> None:
        """The log of these epochs and no other, whatever it held."""
        text = "".join(json.dumps(figures) + "\n" for figures in epochs).encode()
        if text != (self.log.read_bytes() if self.log.exists() else b""):
            write_whole(self.log, lambda file: file.write(text))
