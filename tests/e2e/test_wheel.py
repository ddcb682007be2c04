"""The wheel, outside the checkout: all that is not code (weights, demo, style sheets, pages) has come along."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from helpers.command_line import environment
from helpers.paths import PROJECT

if sys.platform == "win32":
    pytest.skip("pseudo-terminals are POSIX", allow_module_level=True)

import fcntl
import pty
import struct
import termios

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PATIENCE_S = 120.0
TAKES_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Begins a command for which the terminal on its standard input is its own."""


class Installed:
    """The wheel in a folder of its own; commands run from elsewhere and cannot see the checkout."""

    def __init__(self, site: Path, home: Path) -> None:
        self.site, self.home = site, home
        self.env = environment(home, PYTHONPATH=str(site), OMP_WAIT_POLICY="PASSIVE", LANG="C.UTF-8")

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "livemerc", *map(str, arguments)]

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), cwd=self.home, env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=600, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    # from a copy: a build leaves files beside the source
    source = folder / "source"
    subprocess.run(["git", "clone", "-q", str(PROJECT), str(source)], check=True, timeout=120)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "-q", "--no-deps", "-w", str(folder), str(source)], check=True, timeout=600)
    (wheel,) = folder.glob("livemerc-*.whl")
    site = folder / "site"
    subprocess.run([*pip, "install", "-q", "--no-deps", "--target", str(site), str(wheel)], check=True, timeout=600)
    home = folder / "home"
    home.mkdir()
    return Installed(site, home)


@pytest.fixture(scope="module")
def session(installed: Installed) -> Path:
    """The demo, recorded by the installed wheel."""
    folder = installed.home / "demo"
    done = installed("run", "--demo", "--speed", "0", "--json", "--record", folder)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["type"] == "session.start"
    assert events[-1] == {**events[-1], "type": "session.end", "utterances": 20}
    assert sum(e["type"] == "emotion" and e["status"] == "frozen" for e in events) == 20
    return folder


def test_it_is_the_wheel_that_runs(installed: Installed) -> None:
    code = "import livemerc, trainer; print(livemerc.__file__, trainer.__file__, livemerc.monitor.__module__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=installed.home, env=installed.env, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    monitor, trainer, api = done.stdout.split()
    assert Path(monitor).parent == installed.site / "livemerc"
    assert Path(trainer).parent == installed.site / "trainer"
    assert api == "livemerc.api"


def test_the_dashboard_has_its_style_sheets(installed: Installed, session: Path) -> None:
    for arguments, seen in ((("replay", session, "--speed", "20"), "joy"), (("label", session), "coffee")):
        screen = _on_a_terminal(installed, seen, *arguments)
        assert "\x1b[?1049h" in screen  # the screen, not lines
        assert seen in screen
        assert "Traceback" not in screen
        assert "rror" not in screen.replace("mirror", "")


def _on_a_terminal(installed: Installed, seen: str, *arguments: str | Path) -> str:
    """What a command writes to its terminal until `seen` was there, after which `q` ends it with 0."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    child = subprocess.Popen(
        [sys.executable, "-c", TAKES_TERMINAL, *installed.command(*arguments)], cwd=installed.home,
        env=installed.env | {"TERM": "xterm-256color"}, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    written, asked = b"", False
    until_s = time.monotonic() + PATIENCE_S
    try:
        while time.monotonic() < until_s:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    written += os.read(ours, 65536)
                except OSError:  # the terminal's other end is closed
                    break
            if seen.encode() in written and not asked:
                os.write(ours, b"q")
                asked = True
        assert child.wait(30) == 0, written[-2000:]
    finally:
        child.kill()
        child.wait()
        os.close(ours)
    return written.decode(errors="replace")


def test_a_report_and_an_export_are_made(installed: Installed, session: Path) -> None:
    report = installed.home / "demo.html"
    assert installed("report", session, "-o", report).returncode == 0
    assert "coffee" in report.read_text("utf-8")
    exported = installed("export", session, "--format", "vtt")
    assert exported.returncode == 0
    assert exported.stdout.startswith("WEBVTT")


def test_the_page_of_watch_is_served_with_its_scripts(installed: Installed, session: Path) -> None:
    with subprocess.Popen(
        installed.command("watch", session, "--web"), cwd=installed.home, env=installed.env,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as child:  # fmt: skip
        try:
            assert child.stdout is not None
            address = child.stdout.readline().strip()
            page = _get(address)
            scripts = re.findall(r'(?:src|href)="([^"]+\.(?:js|css|mjs))"', page)
            assert scripts
            assert all(_get(address + script) for script in scripts)
            child.send_signal(signal.SIGINT)
            assert child.wait(60) == 0
        finally:
            child.kill()


def _get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as answer:
        assert answer.status == 200
        return answer.read().decode("utf-8")
