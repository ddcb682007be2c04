"""Plain lines for pipes, logs and screen readers: one line per settled label on stdout, everything else on stderr."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TextIO

import msgspec

from livemerc.events import (
    EmotionEvent,
    Event,
    SessionEnd,
    SessionStart,
    SpeakerName,
    Status,
    UtteranceFinal,
    UtteranceSpeaker,
)
from livemerc.notation import clock, fraction
from livemerc.sessions.talk import length_s
from livemerc.text_safety import plain_text


class PlainPrinter:
    """`write(event)` for every event of a session.

    stream gets settled labels, `00:12.3  Ann  joy .82  "words"`; log (standard error by default) gets header, health
    and summary. Both are flushed a line at a time. A closed pipe raises `BrokenPipeError` to the caller.
    """

    def __init__(self, stream: TextIO, log: TextIO | None = None) -> None:
        self._stream = stream
        self._log = sys.stderr if log is None else log
        self._open: dict[str, UtteranceFinal] = {}
        self._names: dict[str, str | None] = {}
        self._labels: Counter[str] = Counter()
        self._trouble: tuple[str, ...] = ()

    def write(self, event: Event) -> None:
        if isinstance(event, SessionStart):
            self._start(event)
        elif isinstance(event, UtteranceFinal):
            self._open[event.utterance_id] = event
        elif isinstance(event, UtteranceSpeaker):
            if event.utterance_id in self._open:
                final = self._open[event.utterance_id]
                self._open[event.utterance_id] = msgspec.structs.replace(final, speaker=event.speaker)
        elif isinstance(event, SpeakerName):
            self._names[event.speaker] = event.name
        elif isinstance(event, EmotionEvent):
            if event.status == "frozen":
                self._settled(event)
        elif isinstance(event, Status):
            self._status(event)
        elif isinstance(event, SessionEnd):
            self._end(event)

    def _start(self, event: SessionStart) -> None:
        asr = event.asr.engine + (f" {event.asr.model}" if event.asr.model else "")
        self._say(
            f"livemerc {event.version}: {event.source}, words from {asr}, "
            f"checkpoint {event.checkpoint.id}, {event.device}"
        )
        self._say("labels say what is expressed, not what is felt; they are no diagnosis")
        if event.voice is not None:
            self._say(f"purpose: {event.voice.purpose}; judged: {event.voice.told}")
        if event.voiceprints is not None:
            self._say(
                f"speakers: compared with {event.voiceprints} enrolled voice{'' if event.voiceprints == 1 else 's'}"
            )
        self._say(
            "use it with the knowledge and consent of everyone heard, and not covertly; no consent makes it lawful to "
            "judge voices at work or in education (EU AI Act, Art. 5(1)(f)): there --purpose work or education judges "
            "words alone, as --text-only does (docs/law.md)"
        )

    def _settled(self, event: EmotionEvent) -> None:
        final = self._open.pop(event.utterance_id, None)
        if final is None:  # an estimate without its words breaks the event contract: say so, print nothing invented
            self._say(f"warning: utterance {event.utterance_id} was settled without its words")
            return
        if event.abstained is not None:
            verdict = f"not sure ({event.abstained})"
            self._labels["not sure"] += 1
        else:
            verdict = f"{event.label} {fraction(event.confidence)}"
            self._labels[event.label] += 1
        text = event.late_text or final.text
        parts = [
            clock(final.start_s, tenths=True),
            self._who(final.speaker),
            verdict,
            f'"{text}"' if text else "",
        ]
        if final.overlaps:
            parts.append(f"({length_s(final.overlaps):.1f} s overlap)")
        if final.asr.gated and event.late_text is None:
            parts.append(f"({'words doubtful' if text else 'no words'}: {final.asr.gated})")
        self._print(self._stream, "  ".join(part for part in parts if part))

    def _who(self, speaker: str | None) -> str:
        """What the speaker is called now; lines above keep what was known when they were printed."""
        return "" if speaker is None else self._names.get(speaker) or speaker

    def _status(self, event: Status) -> None:
        """Print a line when trouble begins, changes or ends, and not twice a second."""
        trouble = []
        if event.mic is not None and not event.mic.ok:
            trouble.append(f"microphone: {event.mic.why or 'nothing is being heard'}")
        if event.degraded:
            trouble.append(f"degraded: {event.degraded}")
        if tuple(trouble) != self._trouble:
            self._trouble = tuple(trouble)
            self._say(f"{clock(event.t_s)}  " + ("; ".join(trouble) or "well again"))

    def _end(self, event: SessionEnd) -> None:
        labels = ", ".join(f"{label} {count}" for label, count in self._labels.most_common())
        self._say(
            f"{clock(event.duration_s)} of audio, {event.utterances} utterance{'' if event.utterances == 1 else 's'}"
            + (f": {labels}" if labels else "")
            + (f"; {event.dropped_s:.1f} s of audio lost" if event.dropped_s else "")
            + (f"; {event.overruns} overruns" if event.overruns else "")
        )

    def _say(self, line: str) -> None:
        self._print(self._log, line)

    @staticmethod
    def _print(stream: TextIO, line: str) -> None:
        text = plain_text(line) + "\n"
        encoding = getattr(stream, "encoding", None) or "utf-8"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))  # a C locale must not end a session
        stream.flush()
