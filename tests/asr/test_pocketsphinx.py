"""The embedded recogniser on real read speech and on what no one said."""

from __future__ import annotations

import threading
import time

import jiwer
import numpy as np
import psutil
import pytest
from helpers.speech import noise, plain, read_audio, utterance

from livemerc.asr.pocketsphinx_engine import PocketsphinxEngine


@pytest.fixture(scope="module")
def engine():
    engine = PocketsphinxEngine()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def read_speech(shared_data):
    folder = shared_data / "speech" / "read"
    return [(read_audio(path.with_suffix(".flac")), plain(path.read_text("utf-8"))) for path in folder.glob("*.txt")]


@pytest.fixture(scope="module")
def heard(engine, read_speech):
    """What it makes of each, begun at second 100."""
    return [engine.transcribe(utterance(samples, start_s=100.0)) for samples, _ in read_speech]


def test_read_speech_is_understood(heard, read_speech, record_property):
    hypotheses = [transcript.text for transcript in heard]
    error = jiwer.wer([reference for _, reference in read_speech], hypotheses)
    record_property("word_error_rate", error)
    print(f"pocketsphinx on {len(read_speech)} read sentences: word error rate {error:.3f}")
    assert error < 0.40


def test_text_is_bare_words_with_times_inside_the_utterance(heard, read_speech):
    for (samples, _), transcript in zip(read_speech, heard, strict=True):
        assert transcript.text == plain(transcript.text)
        assert transcript.text == " ".join(word.text for word in transcript.words)
        assert 0 < transcript.confidence <= 1
        assert transcript.words[0].start_s >= 100.0
        assert transcript.words[-1].end_s <= 100.0 + len(samples) / 16_000 + 0.02
        starts = [word.start_s for word in transcript.words]
        assert starts == sorted(starts)


def test_an_utterance_does_not_depend_on_what_was_heard_before(engine, read_speech):
    samples = read_speech[0][0][: 3 * 16_000]
    first = PocketsphinxEngine().transcribe(utterance(samples))
    engine.transcribe(utterance(noise(1.5, -15)))
    engine.partial(read_speech[1][0][:16_000])
    assert engine.transcribe(utterance(samples)) == first


def test_the_input_level_hardly_matters(engine, read_speech):
    samples = read_speech[2][0][: 4 * 16_000]
    loud = engine.transcribe(utterance(samples)).text
    quiet = engine.transcribe(utterance(samples * 0.02)).text
    assert jiwer.wer(loud, quiet) <= 0.34


def test_a_partial_is_the_text_so_far(engine, heard, read_speech):
    begin = read_speech[0][0][: 2 * 16_000]
    assert engine.partial(begin) == engine.transcribe(utterance(begin)).text
    samples = read_speech[0][0]
    grown = [len(engine.partial(samples[:n]).split()) for n in range(3 * 16_000, len(samples), 8_000)]
    assert grown == sorted(grown)
    assert jiwer.wer(heard[0].text, engine.partial(samples)) <= 0.3


def test_followed_or_not_the_words_are_the_same(engine, read_speech):
    """Whatever it was shown meanwhile: odd pieces, more than the utterance in the end had, somebody else's."""
    samples = read_speech[0][0]
    assert engine.follows(samples)
    expected = engine.transcribe(utterance(samples))
    assert engine.unheard_s(samples) == pytest.approx(len(samples) / 16_000)
    for end in (40_500, 41_000, 57_777, len(samples) - 5):
        engine.follow(samples[:end])
        assert engine.unheard_s(samples) < (len(samples) - end) / 16_000 + 0.1
    assert engine.transcribe(utterance(samples)) == expected

    engine.follow(np.concatenate([samples[:60_000], noise(1.0)]))
    assert engine.transcribe(utterance(samples)) == expected

    engine.follow(samples[:60_000])
    engine.transcribe(utterance(read_speech[1][0][:60_000]))
    assert engine.transcribe(utterance(samples)) == expected

    engine.follow(samples[:30_000])
    engine.follow(samples)  # too long to begin with
    assert engine.unheard_s(samples) == pytest.approx(len(samples) / 16_000)
    assert engine.transcribe(utterance(samples)) == expected

    engine.follow(samples[:60_000])
    engine.interrupt()
    assert engine.unheard_s(samples) == pytest.approx(len(samples) / 16_000)
    assert engine.transcribe(utterance(samples)) == expected


def test_of_two_who_speak_at_once_one_is_followed(engine, read_speech, monkeypatch):
    monkeypatch.setattr("livemerc.asr.pocketsphinx_engine.ANOTHER_AFTER_S", 3600.0)  # a busy machine is slow
    first, second = (read_speech[i][0][:64_000] for i in (0, 1))
    expected = [engine.transcribe(utterance(samples)) for samples in (first, second)]
    for end in (48_000, 56_000, 64_000):
        assert engine.follow(first[:end])
        assert engine.follow(second[:end]) == []
    assert engine.unheard_s(first) == 0
    assert engine.unheard_s(second) == 4
    assert [engine.transcribe(utterance(samples)) for samples in (first, second)] == expected
    engine.follow(first)
    monkeypatch.setattr("livemerc.asr.pocketsphinx_engine.ANOTHER_AFTER_S", 0.0)  # it says nothing more
    assert engine.follow(second)


def test_what_becomes_much_louder_is_heard_whole(engine, read_speech):
    samples = read_speech[0][0].copy()
    samples[:45_000] *= 0.1
    assert engine.follows(samples[:45_000])
    engine.follow(samples[:45_000])
    assert not engine.follows(samples)
    assert engine.unheard_s(samples) == pytest.approx(len(samples) / 16_000)
    heard = engine.transcribe(utterance(samples))
    assert heard == engine.transcribe(utterance(samples))
    reference = read_speech[0][1]
    assert (
        jiwer.wer(reference, heard.text)
        <= jiwer.wer(reference, engine.transcribe(utterance(read_speech[0][0])).text) + 0.2
    )


@pytest.mark.parametrize("level", [0.0, np.nan])
def test_what_begins_with_nothing_is_heard_whole(engine, read_speech, level):
    samples = np.concatenate([np.full(48_000, level, np.float32), read_speech[0][0][:32_000]])
    assert not engine.follows(samples)
    engine.partial(samples)
    assert bool(engine.transcribe(utterance(samples)).text) == (level == 0.0)  # a NaN anywhere: there is no level


@pytest.mark.parametrize("count", [0, 1, 100, 1600])
def test_nothing_to_hear_gives_no_words_and_no_confidence(engine, count):
    transcript = engine.transcribe(utterance(np.zeros(count)))
    assert (transcript.text, transcript.confidence, transcript.words) == ("", None, ())


def test_broken_samples_do_not_crash(engine):
    assert engine.transcribe(utterance(np.full(1600, np.nan))).text == ""
    assert isinstance(engine.transcribe(utterance(np.full(1600, 50.0))).text, str)


def test_it_prints_nothing(engine, capfd):
    engine.transcribe(utterance(noise(1.0)))
    PocketsphinxEngine().close()
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_other_threads_go_on_while_it_decodes(engine, read_speech):
    """Its binding holds Python's global lock: in this process a microphone's callback would wait for the words."""
    during = []
    decoding = threading.Event()

    def count():
        decoding.wait()
        while decoding.is_set():
            time.sleep(0.001)
            during.append(1)

    counter = threading.Thread(target=count)
    counter.start()
    decoding.set()
    engine.transcribe(utterance(read_speech[0][0]))
    decoding.clear()
    counter.join()
    assert len(during) >= 10


def test_a_decode_can_be_ended_and_the_next_one_is_well(read_speech):
    engine = PocketsphinxEngine()
    expected = engine.transcribe(utterance(read_speech[0][0][:48_000]))
    raised = []

    def decode():
        try:
            engine.transcribe(utterance(np.tile(read_speech[0][0], 4)))
        except RuntimeError as error:
            raised.append(str(error))

    child = psutil.Process(engine._child.pid)
    before_s = child.cpu_times().user
    decoding = threading.Thread(target=decode)
    decoding.start()
    while child.cpu_times().user < before_s + 0.1:
        time.sleep(0.01)
    engine.interrupt()
    decoding.join(60)
    assert raised == ["pocketsphinx has ended"]
    assert engine.transcribe(utterance(read_speech[0][0][:48_000])) == expected
    engine.close()
    with pytest.raises(RuntimeError, match="closed"):
        engine.transcribe(utterance(read_speech[0][0][:48_000]))


def test_a_child_that_crashes_costs_one_utterance(read_speech):
    engine = PocketsphinxEngine()
    engine._child.kill()
    engine._child.wait()
    assert engine.transcribe(utterance(read_speech[0][0][:48_000])).text
    engine.close()
