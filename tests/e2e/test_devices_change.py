"""PulseAudio for real: a source that goes and comes back, twice; and another one from the dashboard."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import wav_file
from helpers.paths import DEMO, PROJECT
from helpers.pulse import PulseServer
from helpers.tmux import Tmux

from livemerc.audio.read import read_samples

pytestmark = [pytest.mark.mic, pytest.mark.timeout(280)]
RATE_HZ = 16_000


@pytest.fixture
def room(pulse_alone: PulseServer) -> PulseServer:
    """Two microphones, of which `desk` can be unplugged; both hear what is played into `hall`."""
    pulse_alone.pactl("load-module", "module-null-sink", "sink_name=hall", "sink_properties=device.description=Hall")
    pulse_alone.module = plug(pulse_alone)
    plug(pulse_alone, "headset", "Headset")
    return pulse_alone


def plug(server: PulseServer, name: str = "desk", description: str = "Desk") -> str:
    """Index of the module."""
    return server.pactl(
        "load-module", "module-remap-source", f"source_name={name}", "master=hall.monitor",
        f"source_properties=device.description={description}",
    ).strip()  # fmt: skip


@pytest.fixture(scope="module")
def sentence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of the demo's speech, and a pause."""
    speech = read_samples(DEMO, RATE_HZ, 0.5, 4.5)
    return wav_file.write(
        tmp_path_factory.mktemp("sentence") / "sentence.wav", np.concatenate((speech, np.zeros(RATE_HZ))), RATE_HZ
    )


class Listener:
    """`livemerc run --json` in a process of its own, its events read as they come."""

    def __init__(self, server: PulseServer, checkpoint: Path, *arguments: str) -> None:
        env = server.env | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "livemerc", "run", *arguments, "--json", "--asr", "none",
             "--checkpoint", str(checkpoint)],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.events: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in list(self.events) if event["type"] == kind]

    def until(self, seen: Callable[[], bool], timeout_s: float = 60.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not seen():
            assert self.process.poll() is None, self.process.stderr.read() if self.process.stderr else ""
            assert time.monotonic() < deadline, self.events[-3:]
            time.sleep(0.05)

    def status(self, seen: Callable[[dict[str, Any]], bool]) -> None:
        known = len(self.events)
        self.until(lambda: any(event["type"] == "status" and seen(event) for event in self.events[known:]))

    def stop(self) -> dict[str, Any]:
        self.process.terminate()
        assert self.process.wait(timeout=30) == 0
        self.close()
        return self.events[-1]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(timeout=10)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def listen(room: PulseServer, checkpoint: Path) -> Iterator[Callable[..., Listener]]:
    started: list[Listener] = []

    def start(*arguments: str) -> Listener:
        listener = Listener(room, checkpoint, *arguments)
        started.append(listener)
        listener.until(lambda: bool(listener.of("session.start")), 120)
        return listener

    yield start
    for listener in started:
        listener.close()


def say(room: PulseServer, sentence: Path, listener: Listener) -> None:
    """Speaks in the hall; returns when a final more has come."""
    known = len(listener.of("utterance.final"))
    room.play(sentence, "hall").wait(timeout=60)
    listener.until(lambda: len(listener.of("utterance.final")) > known)


def test_a_source_that_goes_and_comes_back_twice_leaves_three_parts_and_two_gaps(room, sentence, listen) -> None:
    listener = listen("--mic", "Desk")
    module = room.module
    parts = []
    for part in range(3):
        known = len(listener.of("utterance.final"))
        say(room, sentence, listener)
        time.sleep(1.0)
        parts.append(len(listener.of("utterance.final")) - known)
        if part < 2:
            dropped_s = listener.of("status")[-1]["dropped_s"]
            room.pactl("unload-module", module)
            listener.status(lambda status: not status["mic"]["ok"])
            time.sleep(1.5)
            module = plug(room)
            listener.status(lambda status, before=dropped_s: status["mic"]["ok"] and status["dropped_s"] > before + 1)
    end = listener.stop()
    print("finals in each part:", parts, "dropped_s:", end["dropped_s"], "of", end["duration_s"])
    assert all(parts)
    assert end["type"] == "session.end"
    assert 3.0 < end["dropped_s"] < end["duration_s"] / 2
    starts = [event["start_s"] for event in listener.of("utterance.final")]
    assert starts == sorted(starts)


@pytest.mark.slow
def test_two_inputs_are_two_speakers_of_one_dialogue(room, sentence, listen) -> None:
    room.pactl("load-module", "module-null-sink", "sink_name=call", "sink_properties=device.description=Call")
    listener = listen("--mic", "Desk", "--mic", "Monitor of Call", "--speakers", "me,them")
    say(room, sentence, listener)
    known = len(listener.of("utterance.final"))
    room.play(sentence, "call").wait(timeout=60)
    listener.until(lambda: len(listener.of("utterance.final")) > known)
    end = listener.stop()
    finals = listener.of("utterance.final")
    assert {final["speaker"] for final in finals} == {"me", "them"}
    assert [final["utterance_id"] for final in finals] == [f"u{i + 1}" for i in range(len(finals))]
    assert all(final["speaker"] == "me" for final in finals[:known])
    assert all(final["speaker"] == "them" for final in finals[known:])
    assert end["dropped_s"] < 1.0


@pytest.mark.slow
def test_one_of_two_inputs_goes_and_the_other_is_heard_on(room, sentence, listen) -> None:
    room.pactl("load-module", "module-null-sink", "sink_name=call", "sink_properties=device.description=Call")
    listener = listen("--mic", "Desk", "--mic", "Monitor of Call", "--speakers", "me,them")
    say(room, sentence, listener)
    room.pactl("unload-module", room.module)
    listener.status(lambda status: "Desk: the microphone has gone" in (status["mic"]["why"] or ""))
    gone_s = listener.of("status")[-1]["t_s"]
    known = len(listener.of("utterance.final"))
    room.play(sentence, "call").wait(timeout=60)
    listener.until(lambda: len(listener.of("utterance.final")) > known)
    plug(room)
    listener.status(lambda status: "Desk" not in (status["mic"]["why"] or ""))
    back_s = listener.of("status")[-1]["t_s"]
    known = len(listener.of("utterance.final"))
    say(room, sentence, listener)
    end = listener.stop()
    speakers = [final["speaker"] for final in listener.of("utterance.final")]
    print("speakers:", speakers, "gone for", round(back_s - gone_s, 1), "dropped_s:", end["dropped_s"])
    assert speakers[known - 1] == "them"
    assert set(speakers[known:]) == {"me"}
    assert end["dropped_s"] == pytest.approx(back_s - gone_s, abs=4.0)


def test_inputs_are_listed_with_what_they_hear(room) -> None:
    env = room.env | {"PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-m", "livemerc", "devices"], env=env, capture_output=True, text=True, check=True, timeout=60
    )
    (hall,) = [line for line in done.stdout.splitlines() if "Monitor of Hall" in line]
    assert "hears what the speakers play" in hall
    (desk,) = [line for line in done.stdout.splitlines() if " Desk " in line]
    assert "hears" not in desk


@pytest.mark.slow
def test_the_microphone_is_changed_from_the_dashboard(
    room: PulseServer, sentence: Path, checkpoint: Path, tmp_path: Path
) -> None:
    env = room.env | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}
    record = tmp_path / "session"
    with Tmux(tmp_path / "tmux", env) as screen:
        screen.type(
            f"{shlex.quote(sys.executable)} -m livemerc run --mic Desk --asr none --checkpoint {checkpoint} "
            f"--record {record}; echo exit' 'code:$?"
        )
        screen.until("mic:Desk", "● live", give_up_s=90)
        events = record / "events.jsonl"

        def finals() -> list[dict[str, Any]]:
            lines = [json.loads(line) for line in events.read_text().splitlines() if line.endswith("}")]
            return [event for event in lines if event["type"] == "utterance.final"]

        def spoken(more_than: int) -> int:
            room.play(sentence, "hall").wait(timeout=60)
            screen.until_it(lambda _: len(finals()) > more_than, "a final", 60)
            time.sleep(1.0)
            return len(finals())

        first = spoken(0)
        known = first
        for name in ("Headset", "Desk"):
            screen.press("m")
            listed = screen.until("Enter: listen to it", give_up_s=60)
            print(listed)
            rows = [line for line in listed.splitlines() if re.search(r"(pulse|default|Monitor of|Desk|Headset)", line)]
            assert any("hears what the speakers play" in row for row in rows)
            wanted = listed_index(listed, name) - listed_index(listed, "Headset" if name == "Desk" else "Desk")
            screen.press(*(["Down"] * wanted if wanted > 0 else ["Up"] * -wanted))
            screen.press("Enter")
            print(screen.until(f"Listening to {name}", f"mic:{name}", give_up_s=60))
            now = spoken(known)
            assert now > known
            known = now
        screen.press("q")
        assert "exit code:0" in screen.until("exit code:", give_up_s=60)
        end = json.loads(events.read_text().splitlines()[-1])
        print("finals:", known, "dropped_s:", end["dropped_s"])
        assert end["type"] == "session.end"
        assert 0 < end["dropped_s"] < 20


def listed_index(screen: str, name: str) -> int:
    """Row of an input in the list."""
    rows = [line for line in screen.splitlines() if line.strip().startswith("│")]
    return next(i for i, row in enumerate(rows) if re.search(rf"│ *●? *{name}\b", row))
