"""`livemerc bench vad`: the noises, the reference and the counts are what the table says they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.command_line import livemerc

from livemerc.bench.noise import NOISES, babble
from livemerc.bench.vad import (
    SPEECH_DBFS,
    active_frames,
    at_level,
    false_speech,
    hear,
    lay_out,
    main,
    measure,
    missed_speech,
    read_clips,
    table,
)
from livemerc.config import SAMPLE_RATE_HZ, load_config
from livemerc.errors import InputError

CONFIG = load_config(environ={})


def tone(seconds: float, level_dbfs: float = -26.0) -> np.ndarray:
    t = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (np.sqrt(2) * 10 ** (level_dbfs / 20) * np.sin(2 * np.pi * 300 * t)).astype(np.float32)


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32)


@pytest.mark.parametrize("name", [*NOISES, "babble"])
def test_a_noise_has_unit_power_and_is_the_same_every_time(name: str) -> None:
    def make() -> np.ndarray:
        rng = np.random.default_rng(3)
        return babble(48_000, rng, [tone(1.0), tone(0.4)]) if name == "babble" else NOISES[name](48_000, rng)

    noise = make()
    assert noise.shape == (48_000,)
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(1.0)
    assert np.array_equal(noise, make())


@pytest.mark.parametrize("gain_db", [-15.0, 0.0, 15.0])
def test_the_reference_is_where_the_level_is_whatever_the_gain(gain_db: float) -> None:
    samples = np.concatenate([quiet(0.5), tone(1.0), quiet(0.15), tone(1.0), quiet(0.6), tone(0.5), quiet(0.5)])
    active = active_frames((samples * 10 ** (gain_db / 20)).astype(np.float32))
    expected = np.zeros(len(active), bool)
    expected[50:265] = True  # a pause of 150 ms is held over, one of 600 ms is not
    expected[325:375] = True
    assert (active != expected).sum() <= 6  # an envelope of 20 ms blurs an edge by one or two frames


def test_what_is_16_db_below_the_active_level_is_no_speech() -> None:
    active = active_frames(np.concatenate([tone(2.0, -20.0), tone(1.0, -40.0)]))
    assert active[:198].all()
    assert not active[205:].any()
    assert not active_frames(quiet(1.0)).any()


def test_levels_are_active_levels() -> None:
    scaled = at_level(np.concatenate([quiet(3.0), tone(1.0, -50.0)]))
    assert 10 * np.log10(np.mean(scaled[3 * SAMPLE_RATE_HZ :] ** 2)) == pytest.approx(SPEECH_DBFS, abs=0.1)


def test_silence_holds_no_speech_and_speech_that_is_found_is_not_missed() -> None:
    assert false_speech(CONFIG, quiet(20.0)) == {"false_s_per_h": 0.0, "false_utterances_per_h": 0.0}
    clips, voices = read_clips((), 30.0)
    assert clips
    assert voices
    track, reference = lay_out(clips)
    assert len(reference) == len(track) // 160
    found = missed_speech(CONFIG, track, reference)
    assert found["missed_percent"] < 10
    assert missed_speech(CONFIG, np.zeros_like(track), reference)["missed_percent"] == 100.0
    heard = hear(CONFIG, track)
    assert heard.utterances == found["utterances"] > 0
    nobody = missed_speech(CONFIG, track, np.zeros_like(reference))  # then all that is heard is false
    assert nobody["missed_percent"] == 0
    assert nobody["false_s_per_h"] == pytest.approx(3600 * heard.mask[: len(reference)].mean())


def test_every_detector_noise_and_level_has_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(quick=True, json=True) == 0
    figures = json.loads(capsys.readouterr().out)
    for vad in ("webrtc", "silero"):
        mine = [row for row in figures["rows"] if row["vad"] == vad]
        assert {row["noise"] for row in mine if "level_dbfs" in row} == {*NOISES, "babble", "silence"}
        assert {row["noise"] for row in mine if "snr_db" in row} == {*NOISES, "babble", "none"}
        assert all(0 <= row["false_s_per_h"] <= 3600 for row in mine)
        assert all(0 <= row["missed_percent"] <= 100 for row in mine if "snr_db" in row)
    text = "\n".join(table(figures))
    assert all(name in text for name in (*NOISES, "babble", "webrtc", "silero"))


def test_a_folder_without_recordings_is_said(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no sound")
    with pytest.raises(InputError, match="no recordings"):
        measure([tmp_path], quick=True)


@pytest.mark.parametrize(
    "arguments", [("bench", "--speech", "."), ("bench", "vad", "--minutes", "3"), ("bench", "vad", "--file", "x.wav")]
)
def test_flags_of_another_bench_are_refused(arguments: tuple[str, ...]) -> None:
    done = livemerc(*arguments)
    assert done.returncode == 2
    assert "goes with `livemerc bench" in done.stderr.decode()
