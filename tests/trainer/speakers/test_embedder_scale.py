"""`livemerc-train measure-embedder`: centre, scale and limits beside GE2E's, and that the embedder can then be used."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from helpers.embedders import voice
from helpers.onnx_file import speaker_network
from helpers.trainer.command import train_command
from helpers.voiceprints import voiceprint
from helpers.wav_file import write as write_wav

from livemerc.audio.items import Utterance
from livemerc.config import SAMPLE_RATE_HZ, Config, SpeakersConfig
from livemerc.pipeline.who_speaks import WhoSpeaks
from livemerc.runtime.worker import never
from livemerc.speakers.choose import id_asked_for, make_embedder
from livemerc.speakers.ge2e import LIMITS, Ge2eEmbedder
from livemerc.speakers.scale import EmbedderScale, beside
from livemerc.speakers.voiceprints import Voiceprints
from trainer.experiments.listening import AtOnce
from trainer.speakers.embedder_scale import LEAST_VOICES, carried_over, directions, explained, measure, spread

WIDTH = 48


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a reader, two files each; one below another folder, as a chapter is; and what is no reader's."""
    folder = tmp_path_factory.mktemp("readers")
    for number in range(LEAST_VOICES):
        for seed, below in enumerate((f"{number}", f"{number}/chapter")):
            path = folder / below / f"{seed}.wav"
            path.parent.mkdir(exist_ok=True)
            write_wav(path, voice(number, 7.0, seed), SAMPLE_RATE_HZ)
    (folder / "0" / "words.txt").write_text("what was read")
    (folder / "nobody").mkdir()
    return folder


def test_spread_is_what_it_was_drawn_with() -> None:
    rng = np.random.default_rng(0)
    means = 2.0 * rng.standard_normal((400, 10))
    points = [mean + rng.standard_normal((4, 10)) for mean in means]
    within, between = spread(points)
    assert within == pytest.approx(10.0, rel=0.1)
    assert between == pytest.approx(40.0, rel=0.1)


@pytest.mark.parametrize("count", [7, 4000])
def test_directions_are_counted_however_many_points_there_are(count: int) -> None:
    points = np.zeros((count, 40))
    points[:, :5] = np.random.default_rng(0).standard_normal((count, 5))
    turned, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((40, 40)))
    found = directions(points)
    assert found == pytest.approx(directions(points @ turned + 3.0))
    assert 1.0 <= found <= 5.0 + 1e-9
    if count > 1000:
        assert found == pytest.approx(5.0, rel=0.02)


def test_what_a_border_explains_is_the_distance_of_the_parts() -> None:
    course = np.concatenate((np.zeros((6, 3)), np.ones((3, 3))))
    spread_of_all = float(np.square(course - course.mean(0)).sum())
    assert explained(course, 1) == pytest.approx(spread_of_all)
    assert explained(course, 4) == pytest.approx(
        spread_of_all - float(np.square(course[5:] - course[5:].mean(0)).sum())
    )
    assert explained(np.ones((8, 3)), 2) == pytest.approx(0.0, abs=1e-9)


def test_ge2e_measured_beside_itself_is_as_it_ships() -> None:
    ge2e = Ge2eEmbedder()
    voices = {str(number): [voice(number, 4.0, seed) for seed in range(3)] for number in range(3)}
    found = measure(ge2e, voices, "GE2E")
    scale, limits = carried_over(found, found, ge2e.scale, LIMITS)
    assert scale == pytest.approx(ge2e.scale)
    assert msgspec.structs.astuple(limits) == pytest.approx(msgspec.structs.astuple(LIMITS))
    assert np.linalg.norm(found.centre) < 1.0


def test_a_measured_embedder_tells_speakers_apart_and_knows_no_others_voiceprints(
    readers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = speaker_network(tmp_path / "drawn.onnx", WIDTH)
    out = beside(network)
    code, shown, err = train_command(capsys, "measure-embedder", network, "--data", readers, "--out", out)
    assert code == 0, err
    assert shown.splitlines()[-1].startswith(str(out))
    assert f"{LEAST_VOICES} voices are few" in shown
    found = msgspec.json.decode(out.read_bytes(), type=EmbedderScale)
    assert (len(found.centre), found.voices, found.clips) == (WIDTH, LEAST_VOICES, 4 * LEAST_VOICES)
    assert found.corpus == readers.name

    embedder = make_embedder(str(network))
    xs = np.array([[point.x for seed in range(2) if (point := embedder.embed(voice(n, 4.0, seed)))] for n in range(4)])
    assert np.square(xs[:, 0] - xs[:, 1]).sum(-1).max() < np.square(xs[0, 0] - xs[1:, 0]).sum(-1).min()

    kept = Voiceprints(tmp_path / "prints")
    kept.add(voiceprint("Ann", [1.0] * 256, id_asked_for()))
    config = Config(speakers=SpeakersConfig(diarize=True, embedder=str(network)))
    who = WhoSpeaks(config, AtOnce(), kept)
    assert who.compared is None
    assert any("Ann was made by another embedder" in sentence for sentence in who.remarks)
    both = np.concatenate((voice(0, 4.0, 2), voice(3, 4.0, 2)))
    speakers = []
    for number, samples in enumerate((both, voice(0, 4.0, 3), voice(3, 4.0, 3))):
        whole = Utterance(
            utterance_id=f"u{number}", start_s=10.0 * number, end_s=10.0 * number + len(samples) / SAMPLE_RATE_HZ,
            samples=samples, samples_start_s=10.0 * number, decided_s=10.0 * number + 8.0, forced_cut=False,
        )  # fmt: skip
        for turn in who.turns(whole, never):
            who.hear(turn.utterance_id, turn.samples, None, never)
            speakers.append(turn.utterance_id)
    frozen = {event.utterance_id: event.speaker for event in who.freeze_all()}
    assert speakers == ["u0", "u0.2", "u1", "u2"]
    assert [frozen[name] for name in speakers] == ["S1", "S2", "S1", "S2"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("ge2e", "--data", "."), 2, "ships with it"),
        (("speaker", "--data", "."), 3, "livemerc models pull speaker"),
        (("none.onnx", "--data", "."), 3, "is no file"),
        (("NETWORK", "--data", "nowhere"), 5, "no folder of readers"),
        (("NETWORK", "--data", "."), 5, f"{LEAST_VOICES} are needed"),
        (("NETWORK", "--data", ".", "--corpora", "meld"), 2, "no such corpus"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    words: tuple[str, ...], code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    network = speaker_network(tmp_path / "drawn.onnx", WIDTH)
    given = [str(network) if word == "NETWORK" else word for word in words]
    found, shown, err = train_command(capsys, "measure-embedder", *given)
    assert (found, shown) == (code, "")
    assert said in err
    assert not beside(network).exists()
