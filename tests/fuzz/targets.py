"""What is fuzzed: for each format sound seeds, its vocabulary, and the public reader that takes the bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Target:
    """`read(data)` may return, or raise `LivemercError`; anything else is a defect."""

    seeds: tuple[bytes, ...]
    read: Callable[[bytes], object]
    words: tuple[bytes, ...] = ()


def make(name: str, folder: Path) -> Target:
    """The target of that name, working in `folder`."""
    return TARGETS[name](folder)


# -- audio -------------------------------------------------------------------------------------------------------------


def encoded(container: str, codec: str, rate_hz: int, layout: str, seconds: float = 0.4) -> bytes:
    """A chirp in a container, as FFmpeg writes it."""
    import av

    t = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = (0.3 * np.sin(2 * np.pi * (200 + 400 * t) * t)).astype(np.float32)
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate_hz, layout=layout)
        channels = stream.layout.nb_channels
        frame = av.AudioFrame.from_ndarray(np.tile(wave, (channels, 1)), format="fltp", layout=layout)
        frame.sample_rate = rate_hz
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)
    return out.getvalue()


def _audio(container: str, codec: str, rate_hz: int, words: tuple[bytes, ...]) -> Callable[[Path], Target]:
    def target(folder: Path) -> Target:
        from livemerc.audio.file_source import FileSource

        path = folder / f"input.{container}"

        def read(data: bytes) -> object:
            path.write_bytes(data)
            source = FileSource(path, speed=0, block_ms=100.0)
            try:
                samples = 0
                for block in source.blocks():
                    assert block.samples.dtype == np.float32
                    assert np.isfinite(block.samples).all()
                    samples += len(block.samples)
            finally:
                source.close()
            for warning in source.warnings:
                assert "\n" not in warning
            return samples

        seeds = (encoded(container, codec, rate_hz, "mono"), encoded(container, codec, rate_hz, "stereo"))
        return Target(seeds, read, words)

    return target


def _stdin(folder: Path) -> Target:
    from livemerc.audio.ears import Ears
    from livemerc.audio.stdin_source import StdinSource
    from livemerc.config import load_config

    config = load_config(environ={}, overrides={"vad.engine": "webrtc"})

    def read(data: bytes) -> object:
        rate_hz = (8_000, 16_000, 44_100, 48_000)[len(data) % 4]
        source = StdinSource(io.BytesIO(data), rate_hz)
        ears = Ears(config, rate_hz)
        return [item for block in source.blocks() for item in ears.feed(block)] + ears.flush()

    t = np.arange(8_000)
    voice = (8_000 * np.sign(np.sin(t / 20)) * np.sin(t / 900)).astype("<i2").tobytes()
    return Target((voice, voice[:5001], b"\x00\x80" * 400, b"\x01"), read)


# -- text --------------------------------------------------------------------------------------------------------------


def _toml(folder: Path) -> Target:
    from livemerc.config import Config, load_config

    path = folder / "own.toml"

    def read(data: bytes) -> object:
        path.write_bytes(data)
        return load_config(path, environ={})

    sections = {name: getattr(Config(), name) for name in Config.__struct_fields__}
    whole = []
    for name, section in sections.items():
        if hasattr(section, "__struct_fields__"):
            values = [(key, getattr(section, key)) for key in section.__struct_fields__]
            lines = [f"{key} = {json.dumps(value)}" for key, value in values if value is not None]
            whole.append(f"[{name}]\n" + "\n".join(lines))
    text = "offline = true\n" + "\n".join(whole)
    keys = tuple(f"{name}.".encode() for name in sections)
    words = (*keys, b"[[", b"]]", b" = ", b'"""', b"'''", b"1979-05-27T07:32:00Z", b"inf", b"0x", b"[vad]\n", b"{a=1}")
    return Target((text.encode(), b"[vad]\nengine = 'webrtc'\n", b"endpoint.hangover_ms = 300\n"), read, words)


VTT = b"WEBVTT\n\nNOTE x\n\n1\n00:01.000 --> 00:03.000 align:start\n<v Anna>Hello <b>there</b>, Ben &amp; all.\n\n" \
    b"00:00:04.000 --> 00:00:06.000\n<v.loud Ben>Oh, hello.\nTwo lines\n\nSTYLE\n::cue { color: red }\n"  # fmt: skip
SRT = b"1\r\n00:00:01,000 --> 00:00:02,000\r\nhello there\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,500\r\nbye\r\n"
STM = b";; comment\ncall 1 Anna 1.0 2.0 <o,f0> hello { gonna / going to }\ncall 1 Ben 3.0 4.0 (%hesitation) bye\n"


def _sidecar(kind: str, seed: bytes) -> Callable[[Path], Target]:
    def target(folder: Path) -> Target:
        from livemerc.asr.sidecar import SidecarEngine
        from livemerc.audio.items import Utterance

        path = folder / f"words.{kind}"

        def read(data: bytes) -> object:
            path.write_bytes(data)
            engine = SidecarEngine(path)
            heard = []
            for begin_s in (0.5, 2.5, 100.0):
                utterance = Utterance(
                    utterance_id="u1", samples=np.zeros(0, np.float32), samples_start_s=begin_s - 0.3,
                    start_s=begin_s, end_s=begin_s + 1.5, decided_s=begin_s + 1.9, forced_cut=False,
                )  # fmt: skip
                transcript = engine.transcribe(utterance)
                assert not set(transcript.text) & set("\n\r\x1b\0")
                heard.append(transcript)
            return heard

        words = (
            b"WEBVTT", b"-->", b"00:00:01.000", b"00:01.000 --> 00:02.000\n", b"<v ", b">", b"&#0;", b"&lt;", b"NOTE",
            b"STYLE", b"REGION", b"99:59:59,999", b";;", b"{ a / b }", b"<o,f0,male>", b"1e400", b"inf", b"-1.0",
            b"\n\n", b"IGNORE_TIME_SEGMENT_IN_SCORING",
        )  # fmt: skip
        return Target((seed,), read, words)

    return target


def _rows(folder: Path) -> Target:
    from trainer.corpora.manifest import read_manifest_corpus

    path = folder / "rows.csv"
    (folder / "a.wav").write_bytes(b"RIFF")

    def read(data: bytes) -> object:
        path.write_bytes(data)
        return read_manifest_corpus(path)

    header = b"dialogue_id,utterance_id,speaker,audio,start_s,end_s,text,emotion,split\n"
    good = header + b'd1,1,Ann,,,,"Hello, you",joy,train\nd1,2,Ben,a.wav,0.5,1.25,,anger,train\n'
    words = (
        b",",
        b'"',
        b'""',
        b"\n",
        b"\r",
        b"d1,1,",
        b"emotion",
        b"-0.5",
        b"a.wav",
        b"joy,",
        b"split",
        b"x" * 200_000,
    )
    return Target((good, header), read, words)


def _journal(folder: Path) -> Target:
    from livemerc.sessions.folder import audio_path
    from livemerc.sessions.journal import read

    session = folder / "session"
    session.mkdir()
    start = {
        "type": "session.start", "schema": 1, "version": "0", "labels": ["joy"], "device": "cpu", "source": "demo",
        "checkpoint": {"id": "c", "sha256": "0", "licence": "l"}, "asr": {"engine": "none", "model": None},
        "started_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    final = {
        "type": "utterance.final", "utterance_id": "u1", "start_s": 0.5, "end_s": 1.5, "text": "hello", "speaker": None,
        "asr": {"engine": "none", "model": None, "confidence": 0.5, "gated": None},
    }  # fmt: skip
    emotion = {
        "type": "emotion", "utterance_id": "u1", "revision": 0, "status": "frozen", "label": "joy", "confidence": 1.0,
        "abstained": None, "probabilities": {"joy": 1.0}, "modality": {"text": None, "speech": None}, "timing": None,
    }  # fmt: skip
    status = {"type": "status", "t_s": 1.0, "lag_s": 0.0, "queued": {"asr": 0}}
    end = {"type": "session.end", "duration_s": 2.0, "utterances": 1, "dropped_s": 0.0, "overruns": 0}
    lines = b"".join(json.dumps(event).encode() + b"\n" for event in (start, final, emotion, status, end))
    info = {
        "schema": 1, "version": "0", "started_at": "2026-01-01T00:00:00Z", "source": "demo", "consent": "no",
        "checkpoint": start["checkpoint"], "config": {"a": 1},
        "audio": {"file": "audio.flac", "rate_hz": 16_000, "channels": 1, "speakers": [], "start_s": 0.0},
    }  # fmt: skip
    (session / "audio.flac").write_bytes(b"fLaC")
    split = b"\n====\n"  # before it the session's header, after it its events: both are mutated

    def read_session(data: bytes) -> object:
        header, _, events = data.partition(split)
        (session / "session.json").write_bytes(header)
        (session / "events.jsonl").write_bytes(events)
        journal = read(session)
        for warning in journal.warnings:
            assert "\n" not in warning
        return None if journal.info is None else audio_path(session, journal.info)

    seeds = (json.dumps(info).encode() + split + lines, split + lines, json.dumps(info).encode() + split)
    words = (
        split,
        b'"type":',
        b'"utterance.final"',
        b"null",
        b'"schema": 6',
        b'"start_s": -1',
        b'"joy": NaN',
        b'"file": ',
    )
    return Target(seeds, read_session, words)


# -- checkpoints -------------------------------------------------------------------------------------------------------


def _checkpoint_manifest(folder: Path) -> Target:
    from helpers.networks import write_checkpoint

    from livemerc.model.checkpoint import MANIFEST, load_checkpoint, verify_files

    checkpoint = write_checkpoint(folder / "checkpoint")
    good = (checkpoint / MANIFEST).read_bytes()

    def read(data: bytes) -> object:
        (checkpoint / MANIFEST).write_bytes(data)
        verify_files(checkpoint)
        return load_checkpoint(checkpoint)

    keys = tuple(f'"{key}":'.encode() for key in json.loads(good))
    changed = [json.dumps(tree).encode() for tree in _each_leaf_changed(json.loads(good))]
    words = (
        *keys,
        b'"hidden_size": 1000000',
        b'"num_hidden_layers": 1000000',
        b'"file": "../x"',
        b'"labels": []',
        b": -1",
    )
    return Target((good, *changed), read, words)


ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 3, 10**6, 10**18, 1e300, "", "x" * 300, "../merits-l.json", "a\0b", [], {}, [[]], [-1],
    [10**9] * 3,
)  # fmt: skip


def _each_leaf_changed(tree: Any) -> Iterator[Any]:
    """The tree with one value replaced by an odd one, for every place and every odd value."""
    places = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for place, value in list(places):
        for odd in ODD_VALUES:
            yield _with(tree, place, odd)
        for below in _each_leaf_changed(value):
            yield _with(tree, place, below)


def _with(tree: Any, place: Any, value: Any) -> Any:
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[place] = value
    return copy


def _safetensors(folder: Path) -> Target:
    from helpers.networks import write_checkpoint

    from livemerc.model.checkpoint import MANIFEST, file_sha256, load_checkpoint

    checkpoint = write_checkpoint(folder / "checkpoint")
    weights = checkpoint / "speech.safetensors"
    good = weights.read_bytes()
    manifest = json.loads((checkpoint / MANIFEST).read_bytes())

    def read(data: bytes) -> object:
        weights.write_bytes(data)
        manifest["speech"]["sha256"] = file_sha256(weights)  # its hash is right: the content is what is judged
        (checkpoint / MANIFEST).write_text(json.dumps(manifest))
        return load_checkpoint(checkpoint)

    words = (
        b'"dtype":"F16"',
        b'"shape":[',
        b'"data_offsets":[0,',
        b'"__metadata__":{',
        b"F64",
        b"BF16",
        b"18446744073709551615",
    )
    return Target((good,), read, words)


TARGETS: dict[str, Callable[[Path], Target]] = {
    "wav": _audio("wav", "pcm_s16le", 16_000, (b"RIFF", b"WAVE", b"fmt ", b"data", b"LIST", b"\xfe\xff")),
    "flac": _audio("flac", "flac", 16_000, (b"fLaC", b"\xff\xf8")),
    "mp3": _audio("mp3", "libmp3lame", 16_000, (b"ID3", b"Xing", b"\xff\xf3", b"TIT2")),
    "ogg": _audio("ogg", "libopus", 48_000, (b"OggS", b"OpusHead", b"OpusTags")),
    "mp4": _audio("mp4", "aac", 44_100, (b"moov", b"stsz", b"mdat", b"trak")),
    "stdin": _stdin,
    "toml": _toml,
    "vtt": _sidecar("vtt", VTT),
    "srt": _sidecar("srt", SRT),
    "stm": _sidecar("stm", STM),
    "rows": _rows,
    "journal": _journal,
    "checkpoint": _checkpoint_manifest,
    "safetensors": _safetensors,
}

SHARES = dict.fromkeys(("wav", "flac", "mp3", "ogg", "mp4", "vtt", "srt", "stm"), 0.07) | {
    "stdin": 0.05, "toml": 0.1, "rows": 0.1, "journal": 0.13, "checkpoint": 0.05, "safetensors": 0.03,
}  # fmt: skip
"""Of all examples; a checkpoint takes longest to read."""
