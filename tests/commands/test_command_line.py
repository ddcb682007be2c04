"""A command from the process that holds torch is what a fresh interpreter would make of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command_line import environment, finished

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there every command is a fresh interpreter")

PROBE = """
import atexit, json, os, sys, threading, time
how, *words = sys.argv[1:]
if how == "wait":
    time.sleep(60)
if how == "die":
    os.kill(os.getpid(), 9)
if how == "raise":
    raise ValueError(words)
atexit.register(print, "at the end")
said = sys.stdin.read()
print(json.dumps([__name__, sys.argv, os.getcwd(), sys.path[:2], dict(os.environ), time.tzname, said]))
print("to stderr", file=sys.stderr)
sys.exit(3)
"""


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    (tmp_path / "probe.py").write_text(PROBE)
    return tmp_path


@pytest.mark.parametrize("how", ["look", "raise", "die"])
def test_it_is_given_and_gives_what_a_fresh_one_would(probe: Path, how: str) -> None:
    env = environment(probe, ASKED="é", TZ="Asia/Tokyo")
    warm = finished("probe", how, "a b", env=env, stdin="wörds\n".encode(), folder=probe)
    command = [sys.executable, "-m", "probe", how, "a b"]
    fresh = subprocess.run(
        command, cwd=probe, env=env, input="wörds\n".encode(), capture_output=True, timeout=60, check=False
    )
    assert warm.returncode == fresh.returncode == {"look": 3, "raise": 1, "die": -signal.SIGKILL}[how]
    assert warm.stderr.splitlines()[-1:] == fresh.stderr.splitlines()[-1:]
    if how == "look":
        (seen, end), (expected, _) = warm.stdout.splitlines(), fresh.stdout.splitlines()
        assert end == b"at the end"
        assert json.loads(seen) == json.loads(expected)


def test_what_takes_too_long_is_ended_and_the_next_one_runs(probe: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        finished("probe", "wait", folder=probe, timeout_s=0.5)
    assert finished("probe", "look", folder=probe).returncode == 3


def test_much_that_is_said_and_little_that_is_read_block_nothing(tmp_path: Path) -> None:
    loud = "import sys\nsys.stdout.write('x' * 3_000_000)\nsys.stderr.write('y' * 3_000_000)"
    (tmp_path / "loud.py").write_text(loud)
    done = finished("loud", folder=tmp_path, stdin=b"z" * 3_000_000)
    assert (done.returncode, len(done.stdout), len(done.stderr)) == (0, 3_000_000, 3_000_000)
