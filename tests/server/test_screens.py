"""`run --to` and `watch URL` on a terminal: the dashboard of a session that another process judges."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

import pytest
from helpers.command_line import environment
from helpers.served import serving
from helpers.tmux import Tmux

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux on this machine (apt install tmux)"),
]


def line(*arguments: str) -> str:
    return shlex.join([sys.executable, "-m", "livemerc", *arguments]) + "; echo ENDED' 'WITH $?"


def test_the_same_screens_without_a_model(tmp_path: Path) -> None:
    env = environment(tmp_path)
    with (
        serving() as address,
        Tmux(tmp_path / "speaks", env) as speaks,
        Tmux(tmp_path / "watches", env) as watches,
    ):
        url = f"{address}rooms/kitchen"
        watches.type(line("watch", url))
        watches.until("waiting", "rooms/kitchen")
        speaks.type(line("run", "--demo", "--to", url))
        speaks.until("making coffee", "neutral")
        watches.until("making coffee", "neutral")
        speaks.press("Space")
        speaks.until("paused")
        speaks.press("Space")
        speaks.press("r")
        speaks.until("server records")
        watches.press("q")
        assert "ENDED WITH 0" in watches.until("ENDED WITH")
        speaks.press("q")
        assert "ENDED WITH 0" in speaks.until("ENDED WITH")
        for screen in (speaks.screen(), watches.screen()):
            assert "Traceback" not in screen
