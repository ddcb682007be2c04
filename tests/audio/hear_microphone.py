"""Run by the microphone tests in a process of its own: ALSA reads HOME once. Prints JSON lines.

hear_microphone.py SECONDS [DEVICE]      closes the microphone after SECONDS
"""

from __future__ import annotations

import json
import sys
import threading
import time

import msgspec

from livemerc.audio.ears import Ears
from livemerc.audio.items import Dropped, Utterance
from livemerc.audio.microphone.source import MicSource
from livemerc.config import load_config
from livemerc.errors import LivemercError


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def main() -> None:
    seconds = float(sys.argv[1])
    begin_s = time.monotonic()
    try:
        source = MicSource(sys.argv[2] if len(sys.argv) > 2 else None, block_ms=20, ring_s=30)
    except LivemercError as error:
        say(error=str(error), exit_code=error.exit_code)
        return
    ears = Ears(load_config(environ={}), source.rate_hz)
    say(listening=source.name, rate_hz=source.rate_hz)
    closed_s: list[float] = []

    def close() -> None:
        closed_s.append(time.monotonic())
        source.close()

    threading.Timer(seconds, close).start()
    samples = 0
    for block in source.blocks():
        samples += len(block.samples)
        for item in ears.feed(block):
            if isinstance(item, Utterance | Dropped):
                say(item=type(item).__name__, at_s=time.monotonic() - begin_s, end_s=getattr(item, "end_s", None))
    say(unblocked_after_s=time.monotonic() - closed_s[0])
    for item in ears.flush():
        say(flushed=type(item).__name__)
    health = msgspec.to_builtins(source.health().mic)
    say(samples=samples, t_s=ears.t_s, dropped_s=source.health().dropped_s, mic=health)


if __name__ == "__main__":
    main()
