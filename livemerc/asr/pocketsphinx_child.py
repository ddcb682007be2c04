"""pocketsphinx in a process of its own: `pocketsphinx_engine` runs it as `python -c`, with the search as JSON.

Its binding holds Python's global lock for a whole decode: seconds in which the microphone's callback, the screen and
a stop would wait. Standard library and pocketsphinx only. Standard input: a letter, 4 bytes of length, then s16le
samples at 16 kHz, again and again; an end of file ends it. The letters: `W` a whole utterance; `B` the begin of one,
which says how it sounds and is not yet heard; `F` what is said in it, from its begin on, piece by piece; `E` its end.
Standard output: one JSON line when loaded and one for each letter, the words so far (after `B`: none)
`[[word, start frame, end frame, posterior], ...]` or `{"error": ...}`.
"""

import json
import os
import signal
import struct
import sys
from typing import Any

_LEVEL = "level"
"""A search for next to nothing, where only the front end is wanted: its end would search all that has come in."""


def main() -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # they are the parent's to understand, which then closes standard input
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the library prints is no answer

    def answer(what: object) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    try:
        from pocketsphinx import Decoder

        # FATAL: its log would land on stderr in the middle of the dashboard. No fwdflat: a second search of the whole
        # utterance, which can only begin when it has ended; 393 words of three kinds of speech have as many errors.
        decoder = Decoder(samprate=16_000, cmn="batch", fwdflat=False, loglevel="FATAL", **json.loads(sys.argv[1]))
    except (ImportError, RuntimeError, ValueError) as error:
        answer({"error": str(error), "missing": isinstance(error, ImportError)})
        return
    answer({})
    decoder.add_jsgf_string(_LEVEL, "#JSGF V1.0;\ngrammar level;\npublic <one> = a;\n")
    hearing = Hearing(decoder)
    while len(head := sys.stdin.buffer.read(5)) == 5:
        letter, length = struct.unpack("<cI", head)
        pcm = sys.stdin.buffer.read(length)
        if len(pcm) < length:
            return
        try:
            answer(hearing.take(letter, pcm))
        except (RuntimeError, ValueError) as error:
            answer({"error": str(error)})


class Hearing:
    """One utterance after the other, whole or as it is said."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._search = decoder.current_search()
        self._open = False

    def take(self, letter: bytes, pcm: bytes) -> list[tuple[str, int, int, float]]:
        if letter in (b"W", b"B"):
            self._end()
        if letter == b"W":
            # full_utt: cepstral means of the whole utterance. WER on LJSpeech + LibriVox .29 against .53 with the
            # running estimate, which starts wrong in each utterance.
            self._hear(pcm, no_search=False, full_utt=True)
            self._end()
        elif letter == b"B":
            self._decoder.activate_search(_LEVEL)
            try:
                self._hear(pcm, no_search=True, full_utt=True)
                self._end()
            finally:
                self._decoder.activate_search(self._search)
            means = self._decoder.get_cmn(False)
            self._begin()
            self._decoder.set_cmn(means)  # it moves them itself, every few seconds, by the frames alone
            return []
        elif letter == b"F":
            self._decoder.process_raw(pcm, no_search=False, full_utt=False)
        else:
            self._end()
        if self._decoder.hyp() is None:
            return []
        return [(s.word, s.start_frame, s.end_frame, s.prob) for s in self._decoder.seg() or ()]

    def _begin(self) -> None:
        # A new front end for each utterance (0.1 ms): it tracks noise and cepstral means from one utterance to the
        # next, and the same audio would give another text after another history.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._open = True

    def _hear(self, pcm: bytes, *, no_search: bool, full_utt: bool) -> None:
        self._begin()
        self._decoder.process_raw(pcm, no_search=no_search, full_utt=full_utt)

    def _end(self) -> None:
        if self._open:  # or the next utterance could not begin
            self._open = False
            self._decoder.end_utt()


if __name__ == "__main__":
    main()
