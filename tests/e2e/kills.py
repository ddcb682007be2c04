"""kill -9 while recording, then a look at what is left. By hand, minutes, in the project's root:

    PYTHONPATH=.:tests python -m e2e.kills --times 50

The session is the demo, at a pace, with audio; what the process had printed when it died must be in its journal.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from helpers.command_line import environment
from helpers.paths import DEMO, PROJECT

from livemerc.audio.read import read_samples
from livemerc.config import EndpointConfig
from livemerc.events import Status, UtteranceFinal
from livemerc.sessions import journal
from livemerc.sessions.folder import AUDIO_FILE, EVENTS_FILE


@dataclass(frozen=True)
class Death:
    """What one killed session left."""

    events: int
    finals: int
    lines_lost: int  # printed and not in the journal: must be 0
    incomplete_line: bool
    audio_s: float
    heard_s: float  # what the journal says of the audio, the furthest `t_s` or `end_s`
    audio_exact: bool


def kill_once(folder: Path, seconds: float, speed: float) -> Death:
    """Record the demo into `folder`, kill the process `seconds` after its first event, and look.

    Raises AssertionError or `InputError` where what is left cannot be read.
    """
    command = [sys.executable, "-m", "livemerc", "run", "--demo", "--speed", str(speed), "--asr", "transcript"]
    command += ["--json", "--record", str(folder), "--record-audio"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment(), cwd=PROJECT
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]  # the models are loaded
        assert lines[0].startswith(b'{"type":"session.start"'), lines
        reader = threading.Thread(target=lambda: lines.extend(process.stdout.readlines()))  # type: ignore[union-attr]
        reader.start()
        time.sleep(seconds)
        process.kill()
        reader.join()
    return look(folder, lines)


def look(folder: Path, printed: list[bytes]) -> Death:
    """What is in `folder`, against the lines that its process had printed."""
    left = (folder / EVENTS_FILE).read_bytes()
    found = journal.read(folder)
    assert found.damaged == 0, found.warnings
    whole = [line for line in printed if line.endswith(b"\n")]
    lost = 0 if left.startswith(b"".join(whole)) else len(set(whole) - set(left.splitlines(keepends=True)))
    samples = read_samples(folder / AUDIO_FILE, 16_000)
    original = read_samples(DEMO, 16_000)[: len(samples)]
    ends = [event.end_s for event in found.events if isinstance(event, UtteranceFinal)]
    times = [event.t_s for event in found.events if isinstance(event, Status)]
    return Death(
        events=len(found.events),
        finals=len(ends),
        lines_lost=lost,
        incomplete_line=not left.endswith(b"\n"),
        audio_s=len(samples) / 16_000,
        heard_s=max([*ends, *times]),
        audio_exact=len(samples) == len(original) and bool(np.array_equal(samples, original)),
    )


def agrees(death: Death) -> bool:
    """Whether audio and journal agree to within one utterance, and nothing printed was lost."""
    apart_s = abs(death.heard_s - death.audio_s)
    return death.lines_lost == 0 and death.audio_exact and apart_s <= EndpointConfig().max_utterance_s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--speed", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    dice = random.Random(arguments.seed)
    deaths = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.times):
            death = kill_once(Path(folder, f"s{number}"), dice.uniform(0.0, 30.0 / arguments.speed), arguments.speed)
            deaths.append(death)
            print(number, death, flush=True)
    behind = sorted(death.heard_s - death.audio_s for death in deaths)
    print(
        f"{len(deaths)} kills, {sum(agrees(death) for death in deaths)} agree; "
        f"{sum(death.lines_lost for death in deaths)} printed lines lost, "
        f"{sum(death.incomplete_line for death in deaths)} incomplete last lines, "
        f"{sum(death.finals for death in deaths)} finals; audio behind the journal: "
        f"median {behind[len(behind) // 2]:.3f} s, most {behind[-1]:.3f} s, least {behind[0]:.3f} s"
    )
    return 0 if all(map(agrees, deaths)) else 1


if __name__ == "__main__":
    sys.exit(main())
