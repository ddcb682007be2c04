"""WeSpeaker's embedders beside GE2E: what their networks hear, what is made of it, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from helpers.embedders import measured_network, scale, voice
from helpers.onnx_file import speaker_network
from helpers.voiceprints import voiceprint

from livemerc.config import SAMPLE_RATE_HZ
from livemerc.errors import ModelError
from livemerc.speakers import wespeaker
from livemerc.speakers.choose import id_asked_for, make_embedder
from livemerc.speakers.embedder import LEAST_S
from livemerc.speakers.ge2e import LIMITS, Ge2eEmbedder
from livemerc.speakers.scale import beside, digest_of, own_file, scale_of
from livemerc.speakers.turns import STEP_S, WINDOW_S
from livemerc.speakers.voiceprints import of_embedder
from livemerc.speakers.wespeaker import MEL_BINS, WINDOW_FRAMES, WespeakerEmbedder, covering, filter_banks


@pytest.fixture(scope="module", params=[256, 512])
def network(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As wide as ResNet34's embeddings, and as CAM++'s."""
    return measured_network(tmp_path_factory.mktemp("wespeaker"), request.param)


@pytest.fixture(scope="module")
def wide(network: Path) -> WespeakerEmbedder:
    made = make_embedder(str(network))
    assert isinstance(made, WespeakerEmbedder)
    return made


def kaldi(samples: np.ndarray) -> np.ndarray:
    """Kaldi's filter banks as its documentation has them, in plain numpy: 25 ms every 10 ms, whole frames alone; no
    mean, pre-emphasis of .97, Hamming's window, power of 512 points, triangles even on the mel scale from 20 Hz on."""
    size, hop = 400, 160
    x = samples.astype(np.float64) * 32768
    frames = np.lib.stride_tricks.sliding_window_view(x, size)[::hop]
    frames = frames - frames.mean(1, keepdims=True)
    frames = frames - 0.97 * np.concatenate((frames[:, :1], frames[:, :-1]), 1)
    frames = frames * (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(size) / (size - 1)))
    power = np.square(np.abs(np.fft.rfft(frames, 512)))[:, :256]

    def mel(hertz: np.ndarray) -> np.ndarray:
        return 1127.0 * np.log(1.0 + hertz / 700.0)

    edges = np.linspace(mel(np.array(20.0)), mel(np.array(8000.0)), MEL_BINS + 2)
    at = mel(np.arange(256) * SAMPLE_RATE_HZ / 512)
    up = (at - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    down = (edges[2:, None] - at) / (edges[2:] - edges[1:-1])[:, None]
    return np.log(np.maximum(power @ np.maximum(0.0, np.minimum(up, down)).T, 1.1920929e-07))


def test_the_filter_banks_are_kaldis() -> None:
    samples = voice(1, 1.3)
    found = filter_banks(samples)
    assert found.shape == (1 + (len(samples) - 400) // 160, MEL_BINS)
    assert found == pytest.approx(kaldi(samples), abs=2e-2)


def test_points_are_as_wide_as_the_network_and_finite_at_every_length(wide: WespeakerEmbedder) -> None:
    for seconds in (0.6, 2.0, 3.3, 30.0):
        point = wide.embed(voice(2, seconds))
        assert point is not None
        assert point.x.shape == (wide.width,)
        assert point.x.dtype == np.float32
        assert np.isfinite(point.x).all()
        assert (point.strays is None) == (seconds <= 2.0)


@pytest.mark.parametrize("count", [0, SAMPLE_RATE_HZ, round((LEAST_S - 0.1) * SAMPLE_RATE_HZ)])
def test_too_little_voice_has_no_point(wide: WespeakerEmbedder, count: int) -> None:
    samples = voice(1, 5.0)[:count] if count < SAMPLE_RATE_HZ else np.zeros(count, np.float32)
    assert wide.embed(samples) is None


def test_a_level_is_no_voice_and_a_point_is_the_embedding_from_the_centre(network: Path) -> None:
    width = make_embedder(str(network)).width
    centre = np.linspace(-0.1, 0.1, width)
    other = scale(network, width, centre=centre.tolist(), scale=3.0)
    plain, moved = (WespeakerEmbedder(network, one) for one in (scale(network, width, scale=1.0), other))
    samples = voice(3, 3.0)
    whole, soft, there = plain.embed(samples), plain.embed(samples * np.float32(0.1)), moved.embed(samples)
    assert whole is not None
    assert soft is not None
    assert there is not None
    assert np.linalg.norm(whole.x) == pytest.approx(1.0, abs=1e-4)
    assert soft.x == pytest.approx(whole.x, abs=1e-3)
    assert there.x == pytest.approx(3.0 * (whole.x - centre), abs=1e-4)
    assert there.strays == whole.strays


def test_a_course_is_what_the_network_makes_of_each_window_and_as_long_as_ge2es(
    wide: WespeakerEmbedder, embedder: Ge2eEmbedder
) -> None:
    samples = np.concatenate((voice(1, 2.0), voice(4, 2.1)))
    whole = wide.course(samples, WINDOW_S, STEP_S).every(1)
    assert len(whole) == len(embedder.course(samples, WINDOW_S, STEP_S).every(1))
    coarse_first = wide.course(samples, WINDOW_S, STEP_S)
    assert coarse_first.every(3) == pytest.approx(whole[::3], abs=1e-5)
    assert coarse_first.every(1) == pytest.approx(whole, abs=1e-5)
    for number in (0, 7, len(whole) - 1):
        begin = round(number * STEP_S * SAMPLE_RATE_HZ)
        alone = wide.course(samples[begin : begin + round(WINDOW_S * SAMPLE_RATE_HZ)], WINDOW_S, STEP_S).every(1)
        assert alone == pytest.approx(whole[number : number + 1], abs=1e-4)


@pytest.mark.parametrize("count", [1, 38, 199, 200, 201, 399, 400, 401, 1198])
def test_windows_hear_every_frame_and_are_no_more_than_that_takes(count: int) -> None:
    frames = np.repeat(np.arange(count, dtype=np.float32)[:, None], MEL_BINS, axis=1)
    found = covering(frames)
    assert found.shape[1:] == (WINDOW_FRAMES, MEL_BINS)
    assert len(found) == max(1, -(-count // WINDOW_FRAMES))
    assert set(found.ravel().tolist()) == set(range(count))


def test_without_a_measured_scale_it_is_refused_with_the_command(tmp_path: Path) -> None:
    network = speaker_network(tmp_path / "new.onnx", 32)
    for use in (make_embedder, id_asked_for):
        with pytest.raises(ModelError, match=r"not been measured.*`livemerc-train measure-embedder .*new\.onnx"):
            use(str(network))


def test_a_scale_lies_beside_the_network_or_in_the_users_folder(tmp_path: Path) -> None:
    network = speaker_network(tmp_path / "new.onnx", 32)
    kept = scale(network, 32)
    path = own_file(kept.sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(kept))
    try:
        assert scale_of(network, "new.onnx") == kept
        nearer = msgspec.structs.replace(kept, scale=7.0)
        beside(network).write_bytes(msgspec.json.encode(nearer))
        assert scale_of(network, "new.onnx") == nearer
    finally:
        path.unlink()


def test_a_scale_that_is_damaged_or_another_networks_is_told(tmp_path: Path) -> None:
    network, other = (speaker_network(tmp_path / f"{n}.onnx", 32, seed=n) for n in (1, 2))
    good = msgspec.to_builtins(scale(network, 32))
    for content, said in (
        (b"{", "damaged"),
        (b"\xff\xfe", "damaged"),
        (msgspec.json.encode(good | {"scale": 0.0}), "damaged"),
        (msgspec.json.encode(good | {"sha256": digest_of(other)}), "another embedder's"),
        (msgspec.json.encode(good | {"centre": [0.0] * 31}), "32 numbers, its centre 31"),
    ):
        beside(network).write_bytes(content)
        with pytest.raises(ModelError, match=said) as told:
            make_embedder(str(network))
        assert str(told.value).count("\n") == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"bins": 40}, "makes no embeddings"),
        ({"outputs": 2}, "makes no embeddings"),
        ({"frames": 200}, "cannot be used"),  # it would take windows of one length alone
    ],
)
def test_a_network_of_another_shape_is_refused(
    change: dict[str, Any], said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    network = speaker_network(tmp_path / "other.onnx", 32, **change)
    with pytest.raises(ModelError, match=said):
        WespeakerEmbedder(network, scale(network, 32))
    assert capfd.readouterr() == ("", "")


def test_a_damaged_network_is_told_with_the_mend(tmp_path: Path) -> None:
    network = measured_network(tmp_path)
    broken = network.with_name("broken.onnx")
    broken.write_bytes(network.read_bytes()[:-40])
    with pytest.raises(ModelError, match=r"cannot be read.*name another one in speakers\.embedder"):
        WespeakerEmbedder(broken, scale(broken, 64))


@pytest.mark.parametrize("asked", ["enormous", "no/such/file.onnx"])
def test_what_is_neither_a_name_nor_a_file_is_refused(asked: str) -> None:
    with pytest.raises(ModelError, match=f"{asked} is no file; take one of ge2e, speaker"):
        make_embedder(asked)


def test_what_is_not_fetched_is_refused_with_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=r"not on this machine; fetch it once with `livemerc models pull speaker`"):
        make_embedder("speaker")


def test_points_of_another_centre_or_scale_are_another_embedders(network: Path) -> None:
    width = make_embedder(str(network)).width
    plain, again = id_asked_for(str(network)), WespeakerEmbedder(network, scale(network, width)).id
    assert plain == again
    limits = msgspec.structs.replace(LIMITS, strays=0.3)
    assert WespeakerEmbedder(network, scale(network, width, limits=limits)).id == plain
    assert WespeakerEmbedder(network, scale(network, width, scale=11.0)).id != plain
    assert WespeakerEmbedder(network, scale(network, width, centre=[0.1] * width)).id != plain
    assert plain != id_asked_for()


def test_a_print_of_another_width_is_damaged_and_told() -> None:
    own, other = voiceprint("Ann", [0.5, 1.0, 0.2]), voiceprint("Ben", [1.0, 0.0])
    kept, told = of_embedder([own, other], own.embedder, 3)
    assert kept == [own]
    assert len(told) == 1
    assert "Ben is damaged (it holds 2 numbers, not 3)" in told[0]


def test_more_of_an_utterance_than_is_useful_is_not_heard(
    wide: WespeakerEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    real = wespeaker.filter_banks
    monkeypatch.setattr(wespeaker, "filter_banks", lambda samples: heard.append(len(samples)) or real(samples))
    wide.embed(voice(1, 30.0))
    assert heard == [12 * SAMPLE_RATE_HZ]
