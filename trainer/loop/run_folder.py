"""The folder of a run, one rule for all recipes: the same command again goes on where the last one stopped.

`--resume` insists that there is something to go on with, `--overwrite` begins the chosen stages anew; a run that was
begun with other settings is refused, never mixed. A stranger reads in it how it was made: `run.json` holds recipe,
settings of every stage begun, and the sittings (command line, revision, versions, digests of the data); `config.toml`
the configuration with all that it left to defaults.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from livemerc.errors import ConfigError
from trainer.loop.config_file import write_toml
from trainer.loop.differences import first_difference
from trainer.loop.provenance import surroundings
from trainer.loop.saving import save_json

BEGUN = "run.json"


class RunFolder:
    """`recipe`: "compact" or "merits-l". Raises `ConfigError` where the folder holds a run of the other one."""

    def __init__(self, out: Path, recipe: str):
        self.out = out
        self._path = out / BEGUN
        self._begun: dict[str, Any] = {"recipe": recipe, "stages": {}, "sittings": []}
        self.exists = self._path.exists()
        if self.exists:
            try:
                self._begun = json.loads(self._path.read_text())
            except (OSError, ValueError) as error:
                raise ConfigError(f"{self._path}: cannot be read ({error}); name another --out.") from error
            if self._begun["recipe"] != recipe:
                raise ConfigError(
                    f"{out}: holds a run of the recipe {self._begun['recipe']!r}, not {recipe!r}; name another --out."
                )

    def resume(self) -> None:
        """Raises `ConfigError` where nothing was begun."""
        if not self.exists:
            raise ConfigError(f"{self.out}: holds no run to resume; leave --resume out to begin one there.")

    def overwrite(self, folders: Sequence[str], stages: Sequence[str]) -> None:
        """Removes these stages' folders, but only where a run was begun: a user's own files are never removed."""
        if not self.exists:
            if any((self.out / f).exists() for f in folders):
                raise ConfigError(
                    f"{self.out}: holds files but no {BEGUN} of a run, so nothing is removed; name another --out."
                )
            return
        for folder in folders:
            if (self.out / folder).exists():
                shutil.rmtree(self.out / folder)
        for stage in stages:
            self._begun["stages"].pop(stage, None)
        save_json(self._begun, self._path)

    def begin(self, stage: str, settings: dict[str, Any]) -> None:
        """Notes that `stage` was begun with `settings`. Raises `ConfigError` where it was begun with others."""
        before = self._begun["stages"].get(stage)
        if before is not None and before != settings:
            raise ConfigError(
                f"{self.out}: stage {stage} {first_difference(before, settings)}; name another --out, or --overwrite."
            )
        if before is None:
            self._begun["stages"][stage] = settings
            save_json(self._begun, self._path)
            self.exists = True

    def describe(self, config: dict[str, Any], data: dict[str, str]) -> None:
        """Notes how this sitting trains: `config` complete, `data` a digest by the name of its part. A sitting like the
        one before is not noted again."""
        write_toml(config, self.out / "config.toml")
        sitting = {**surroundings(), "data": data}
        if not self._begun["sittings"] or {**self._begun["sittings"][-1], **sitting} != self._begun["sittings"][-1]:
            began = datetime.now(UTC).isoformat(timespec="seconds")
            self._begun["sittings"].append({"began": began, **sitting})
            save_json(self._begun, self._path)
