"""`livemerc-train` in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from livemerc.cli import call
from trainer.cli import app


def train_command(capsys: pytest.CaptureFixture[str], *arguments: str | Path | int) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of `livemerc-train ARGUMENTS`."""
    capsys.readouterr()
    code = call([str(a) for a in arguments], app)
    out, err = capsys.readouterr()
    return code, out, err
