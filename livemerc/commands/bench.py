"""`livemerc bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from livemerc.errors import ConfigError


def bench(
    what: Literal["vad", "soak", "ui", "asr", "live", "streams", "rooms"] | None = None,
    /,
    *,
    speech: list[Path] | None = None,
    minutes: float | None = None,
    file: list[Path] | None = None,
    reference: list[Path] | None = None,
    model: str | None = None,
    streams: int | None = None,
    rooms: int | None = None,
    repeats: int | None = None,
    against: Path | None = None,
    quick: bool = False,
    json: bool = False,
) -> int:
    """Measure latency, cost and memory on this machine.

    Parameters
    ----------
    what
        vad: false and missed speech in noise. soak: one long session at real speed.
        ui: the dashboard in a session of 10,000 utterances.
        asr: word errors, labels and time of the Whispers at hand, each in both its windows.
        live: from the end of speech to the emotion, first words, start-up, memory; at real speed.
        streams: many conversations at once, words given, and how many keep up at their own pace.
        rooms: a server and so many who speak to it at once, and what one that floods costs the others.
        None of them: all that concerns speed and memory, in eleven minutes: from the end of speech to the emotion,
        first words, start-up, memory, many conversations at once, and the computation stage by stage.
    speech
        vad: folder of clean recordings to be found in the noise (default: the bundled demo); may be repeated.
    minutes
        soak: how long (default 60).
    file
        soak: what is played over and over (default: the bundled demo); may be repeated, at one sample rate.
        asr, live: what is heard (default: the demo); may be repeated.
    reference
        asr: what was said in each --file, in the same order: VTT, SRT, STM or plain text.
    model
        A cached Whisper size or the path of a converted model; nothing is fetched.
        asr: beside tiny.en, which ships (default: base, where it is cached).
        live, and plain bench: beside the recogniser as configured (default: tiny.en).
    streams
        streams, and plain bench: how many conversations (default 40).
    rooms
        rooms: how many (default 50 with words given, 8 with a recogniser).
    repeats
        live, and plain bench: how often the conversation is played, at real speed (default 1); figures are the medians.
    against
        FILE that an earlier --json wrote: adds the ratio of every figure, now / then.
    quick
        Fewer repetitions, shorter stretches; plain bench: the demo's first 25 s, in about a minute and a half.
    json
        The figures as one JSON object.
    """
    goes_with: dict[str, tuple[object, tuple[str | None, ...]]] = {
        "--speech": (speech, ("vad",)),
        "--minutes": (minutes, ("soak",)),
        "--file": (file, ("soak", "asr", "live")),
        "--reference": (reference, ("asr",)),
        "--model": (model, ("asr", "live", None)),
        "--streams": (streams, ("streams", None)),
        "--rooms": (rooms, ("rooms",)),
        "--repeats": (repeats, ("live", None)),
    }
    for flag, (given, where) in goes_with.items():
        if given is not None and what not in where:
            rooms_of_it = " or ".join(f"`livemerc bench {room}`" if room else "`livemerc bench`" for room in where)
            raise ConfigError(f"{flag} goes with {rooms_of_it}; leave it out.")
    if against is not None and what is not None:
        raise ConfigError(f"--against goes with `livemerc bench`, not with `bench {what}`; leave it out.")
    if what == "vad":
        from livemerc.bench import vad

        return vad.main(speech or [], quick=quick, json=json)
    if what == "soak":
        from livemerc.bench import soak

        return soak.main((3.0 if quick else 60.0) if minutes is None else minutes, file or [], json=json)
    if what == "ui":
        from livemerc.bench import ui

        return ui.main(quick=quick, json=json)
    if what == "asr":
        from livemerc.bench import asr

        return asr.main(file or [], reference or [], model, json=json)
    if what == "streams":
        from livemerc.bench import streams as many

        return many.main(streams, quick=quick, json=json)
    if what == "rooms":
        from livemerc.bench import rooms as served

        return served.main(rooms, quick=quick, json=json)
    if what == "live":
        from livemerc.bench import live

        return live.main(file or [], model, quick=quick, json=json, repeats=1 if repeats is None else repeats)
    from livemerc.bench import whole

    return whole.main(
        quick=quick, json=json, against=against, streams=streams, model=model, repeats=1 if repeats is None else repeats
    )
