"""`livemerc bench live`: what is measured is what happens; a Whisper of a true size is one."""

from __future__ import annotations

from pathlib import Path

import pytest
from networks import write_checkpoint
from test_ahead import Numbered

from livemerc.bench import live as bench_live
from livemerc.bench import whisper as bench_whisper
from livemerc.config import load_config
from livemerc.errors import ConfigError


def test_the_wait_after_the_endpoint_is_what_the_events_say(tmp_path: Path) -> None:
    checkpoint = str(write_checkpoint(tmp_path / "checkpoint"))
    config = load_config(overrides={"model.checkpoint": checkpoint, "model.device": "cpu"}, environ={})
    asr = Numbered()
    found = bench_live.waits([bench_live.DEMO], config, asr, most_s=8.0)
    assert found["asr"] == "numbered"
    assert found["window"] is None
    n = found["end_to_emotion"]["n"]
    assert n >= 1
    assert found["endpoint_wait"]["p50"] >= config.endpoint.long_hangover_ms
    assert found["end_to_emotion"]["p50"] > found["endpoint_wait"]["p50"]
    assert found["after_wait"]["p50"] > 0
    assert found["first_partial"] is None, "this recogniser has none"
    assert found["ahead"]["used"] + found["ahead"]["wasted"] <= len(asr.asked)
    assert 0 <= found["ahead"]["share_wasted"] < 1


def test_start_up_is_measured_from_outside() -> None:
    found = bench_live.start(1, bench_live.DEMO, ("--asr", "none"))
    assert 0 < found["listening_s"] < found["ready_s"]
    assert found["rss_mb"] > 100


def test_a_start_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="no such folder"):
        bench_live.start(1, bench_live.DEMO, ("--asr", "faster-whisper", "--model", "/no/such"))


def test_a_size_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="base"):
        bench_live.main(model="enormous")


@pytest.mark.slow
def test_a_random_whisper_has_the_true_size_and_decodes_what_people_say(tmp_path: Path) -> None:
    from audio.synthetic import buzz

    from livemerc.audio.items import Utterance
    from livemerc.config import AsrConfig

    folder = bench_whisper.build("tiny", tmp_path)
    asr = bench_whisper.RandomWhisper(folder, "tiny", AsrConfig(window="adaptive"))
    assert 35e6 < (folder / "model.bin").stat().st_size < 45e6, "39 million weights of a byte each"
    samples = buzz(3.0)
    heard = asr.transcribe(Utterance("u1", samples, 0.0, 0.0, 3.0, 3.0, False))
    assert heard.tokens == 12
    assert len(heard.text.split()) == 9
    assert asr.partial(samples)
