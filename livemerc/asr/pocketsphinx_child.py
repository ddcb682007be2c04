"""pocketsphinx in a process of its own: `pocketsphinx_engine` runs it as `python -c`, with the search as JSON.

Its binding holds Python's global lock for a whole decode: seconds in which the microphone's callback, the screen and
a stop would wait. Standard library and pocketsphinx only. Standard input: 4 bytes of length, then s16le samples at
16 kHz, again and again; an end of file ends it. Standard output: one JSON line when loaded and one for each utterance,
`[[word, start frame, end frame, posterior], ...]` or `{"error": ...}`.
"""

import json
import os
import signal
import struct
import sys
from typing import Any


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

        # FATAL: its log would land on stderr in the middle of the dashboard
        decoder = Decoder(samprate=16_000, cmn="batch", loglevel="FATAL", **json.loads(sys.argv[1]))
    except (ImportError, RuntimeError, ValueError) as error:
        answer({"error": str(error), "missing": isinstance(error, ImportError)})
        return
    answer({})
    while len(head := sys.stdin.buffer.read(4)) == 4:
        (length,) = struct.unpack("<I", head)
        pcm = sys.stdin.buffer.read(length)
        if len(pcm) < length:
            return
        try:
            answer(decode(decoder, pcm))
        except (RuntimeError, ValueError) as error:
            answer({"error": str(error)})


def decode(decoder: Any, pcm: bytes) -> list[tuple[str, int, int, float]]:
    # A new front end for each utterance (0.1 ms): it tracks noise and cepstral means from one utterance to the next,
    # and the same audio would give another text after another history.
    decoder.reinit_feat()
    decoder.start_utt()
    try:
        # full_utt: cepstral means of the whole utterance. WER on LJSpeech + LibriVox .29 against .53 with the running
        # estimate, which starts wrong in each utterance.
        decoder.process_raw(pcm, no_search=False, full_utt=True)
    finally:
        decoder.end_utt()  # or the next utterance could not begin
    if decoder.hyp() is None:
        return []
    return [(s.word, s.start_frame, s.end_frame, s.prob) for s in decoder.seg() or ()]


if __name__ == "__main__":
    main()
