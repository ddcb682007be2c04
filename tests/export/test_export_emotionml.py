"""EmotionML against a grammar of the Recommendation's rules, and against the rules that a grammar cannot say."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest
from export_sessions import every_hostile_text, hostile_sessions, session, utterance
from helpers.sessions import AUDIO_FILE, conversation, info, write_session
from hypothesis import given, settings
from lxml import etree

from livemerc.emotions import LABELS
from livemerc.export.emotionml_file import NAMESPACE, OWN_NAMESPACE, emotionml
from livemerc.sessions.corrections import Correction
from livemerc.sessions.session import RecordedSession, read_session

E = {"e": NAMESPACE, "lm": OWN_NAMESPACE}
GRAMMAR = etree.RelaxNG(etree.parse(str(Path(__file__).with_name("emotionml.rng"))))
STARTED_MS = 1767323045000  # `date -d 2026-01-02T03:04:05Z +%s`000, the sessions' started_at


def checked(data: bytes) -> etree._Element:
    """The root, after every rule was checked."""
    root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, huge_tree=True))
    assert GRAMMAR.validate(root.getroottree()), GRAMMAR.error_log
    vocabularies = {
        "#" + v.get("id"): [item.get("name") for item in v.findall("e:item", E)]
        for v in root.findall("e:vocabulary", E)
        if v.get("type") == "category"
    }
    for items in vocabularies.values():
        assert len(set(items)) == len(items)
    for emotion in root.iterfind("e:emotion", E):
        names = [category.get("name") for category in emotion.findall("e:category", E)]
        assert len(set(names)) == len(names)
        declared = vocabularies[emotion.get("category-set", root.get("category-set"))]
        assert set(names) <= set(declared)
        if "start" in emotion.attrib:
            assert int(emotion.get("start")) <= int(emotion.get("end"))
            assert not {"time-ref-uri", "offset-to-start", "duration"} & set(emotion.attrib)
    return root


def test_purpose_and_whose_voice_was_judged_are_in_the_info_of_the_document(tmp_path: Path) -> None:
    (first, *others) = conversation(2)
    start = msgspec.structs.replace(first, purpose="care", text_only=False, judge_voice_of=["me", "ann & <b>"])
    root = checked(emotionml(read_session(write_session(tmp_path / "s", [start, *others]))))
    told = {name: root.findtext(f"e:info/lm:{name}", namespaces=E) for name in ("purpose", "judged")}
    assert told == {"purpose": "care", "judged": "words, and the voice of me, ann & <b>"}
    old = checked(emotionml(read_session(write_session(tmp_path / "old", conversation(2)))))
    assert old.find("e:info/lm:purpose", E) is None


def said(emotion: etree._Element, name: str) -> str | None:
    found = emotion.find(f"e:info/lm:{name}", E)
    return None if found is None else found.text or ""


def as_xml_holds_it(text: str) -> str:
    """By the Char production of XML 1.0, worked out apart from the code under test."""

    def legal(code: int) -> bool:
        return code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000

    return "".join(c if legal(ord(c)) else chr(0x2400 + ord(c)) if ord(c) < 0x20 else "\ufffd" for c in text)


def holds(root: etree._Element, exported: RecordedSession) -> None:
    emotions = root.findall("e:emotion", E)
    assert len(emotions) == len(exported.utterances)
    for emotion, one in zip(emotions, exported.utterances, strict=True):
        assert one.estimate is not None
        assert said(emotion, "words") == as_xml_holds_it(one.text)
        assert said(emotion, "speaker") == (None if one.speaker is None else as_xml_holds_it(one.speaker))
        assert said(emotion, "abstained") == one.abstained
        assert int(emotion.get("start")) == STARTED_MS + round(one.start_s * 1000)
        assert int(emotion.get("end")) == STARTED_MS + round(one.end_s * 1000)
        confidences = {c.get("name"): float(c.get("confidence")) for c in emotion.findall("e:category", E)}
        assert confidences == one.estimate.probabilities


def test_every_utterance_with_its_probabilities_times_and_words() -> None:
    exported = session([utterance(1, 1234, 2001, "well, yes", "Ann"), utterance(2, 5000, 0, "oh", joy=0.1)])
    root = checked(emotionml(exported))
    holds(root, exported)
    assert [e.get("expressed-through") for e in root.findall("e:emotion", E)] == ["text", "text"]
    items = [item.get("name") for item in root.findall("e:vocabulary/e:item", E)]
    assert items == list(LABELS)


def test_hostile_words_come_back_as_far_as_xml_can_hold_them() -> None:
    exported = every_hostile_text()
    holds(checked(emotionml(exported)), exported)


@given(exported=hostile_sessions())
@settings(max_examples=60, deadline=None)
def test_whatever_was_said(exported: RecordedSession) -> None:
    holds(checked(emotionml(exported)), exported)


def test_an_empty_session_is_a_vocabulary() -> None:
    root = checked(emotionml(session([])))
    assert root.findall("e:emotion", E) == []
    assert len(root.findall("e:vocabulary/e:item", E)) == len(LABELS)


def test_an_utterance_without_an_estimate_is_left_out_and_told_of() -> None:
    exported = session([utterance(1, 0, 10), utterance(2, 20, 10, judged=False)])
    root = checked(emotionml(exported))
    assert [said(e, "utterance") for e in root.findall("e:emotion", E)] == ["u1"]
    assert any("1 utterance(s) without an estimate" in warning for warning in exported.warnings)


def test_a_persons_label_stands_alone_and_is_declared_even_if_the_model_does_not_know_it() -> None:
    corrected = Correction(utterance_id="u1", emotion="quiet pride")
    exported = session([utterance(1, 0, 10, correction=corrected), utterance(2, 20, 10)])
    root = checked(emotionml(exported))
    first, second = root.findall("e:emotion", E)
    (category,) = first.findall("e:category", E)
    assert (category.get("name"), category.get("confidence")) == ("quiet_pride", None)
    assert (said(first, "label-by"), said(second, "label-by")) == ("person", "model")
    assert said(first, "label") == "quiet pride"
    assert root.findtext("e:vocabulary/e:item[@name='quiet_pride']/e:info/lm:label", namespaces=E) == "quiet pride"


@pytest.mark.parametrize("started_at", ["", "yesterday", "2026-01-02T03:04:05", "1931-01-01T00:00:00+00:00"])
def test_without_a_date_times_are_relative_to_the_session(started_at: str) -> None:
    exported = session([utterance(1, 1234, 2001)], name="my meeting")
    assert exported.info is not None
    exported.info = msgspec.structs.replace(exported.info, started_at=started_at)
    (emotion,) = checked(emotionml(exported)).findall("e:emotion", E)
    assert (emotion.get("offset-to-start"), emotion.get("duration")) == ("1234", "2001")
    assert unquote(emotion.get("time-ref-uri")) == "my meeting"


def test_an_offset_of_the_zone_is_reckoned_with() -> None:
    exported = session([utterance(1, 0, 5)])
    assert exported.info is not None
    exported.info = msgspec.structs.replace(exported.info, started_at="2026-01-02T05:04:05.250+02:00")
    (emotion,) = checked(emotionml(exported)).findall("e:emotion", E)
    assert int(emotion.get("start")) == STARTED_MS + 250


def test_recorded_audio_is_referred_to_by_a_media_fragment(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(2), audio=AUDIO_FILE)
    late = info(AUDIO_FILE)
    assert late.audio is not None
    late = msgspec.structs.replace(late, audio=msgspec.structs.replace(late.audio, start_s=0.5))
    (folder / "session.json").write_bytes(msgspec.json.encode(late))
    root = checked(emotionml(read_session(folder)))
    uris = [reference.get("uri") for reference in root.iterfind("e:emotion/e:reference", E)]
    assert uris == ["audio.flac#t=0.500,2.500", "audio.flac#t=10.500,12.500"]


def test_audio_that_leads_elsewhere_is_a_warning(tmp_path: Path) -> None:
    folder = write_session(tmp_path / "s", conversation(1), audio="../outside.flac")
    exported = read_session(folder)
    root = checked(emotionml(exported))
    assert root.find("e:emotion/e:reference", E) is None
    assert any("not a plain file name" in warning for warning in exported.warnings)


@pytest.mark.parametrize(
    ("sound", "broken"),
    [
        ('version="1.0" xmlns', 'version="1.1" xmlns'),
        ('confidence="0.6"', 'confidence="1.2"'),
        ('start="1767323045000"', 'start="-1"'),
        ('start="1767323045000"', 'start="3:20"'),
        ("<category name=", "<category nom="),
        ('<item name="joy"/>', '<item name="two words"/>'),
        ('<vocabulary type="category"', '<vocabulary type="colour"'),
        ("<lm:words>words</lm:words>", "<category name='joy'/>"),
        (NAMESPACE, "http://www.w3.org/2009/10/emotion"),
    ],
)
def test_the_grammar_refuses_what_the_recommendation_forbids(sound: str, broken: str) -> None:
    data = emotionml(session([utterance(1, 0, 5)])).decode()
    assert sound in data
    assert GRAMMAR.validate(etree.fromstring(data.encode()).getroottree())
    assert not GRAMMAR.validate(etree.fromstring(data.replace(sound, broken, 1).encode()).getroottree())


@pytest.mark.parametrize(("moved", "to"), [("info", -1), ("reference", 0), ("category", -1)])
def test_the_children_of_an_emotion_stand_in_the_order_of_the_w3cs_schema(tmp_path: Path, moved: str, to: int) -> None:
    folder = write_session(tmp_path / "s", conversation(1), audio=AUDIO_FILE)
    root = checked(emotionml(read_session(folder)))
    (emotion,) = root.findall("e:emotion", E)
    assert [etree.QName(child).localname for child in emotion] == ["info", *["category"] * len(LABELS), "reference"]
    child = emotion.find(f"e:{moved}", E)
    emotion.remove(child)
    emotion.insert(to if to == 0 else len(emotion), child)
    assert not GRAMMAR.validate(root.getroottree())


def test_the_grammar_wants_a_category_in_every_emotion() -> None:
    root = etree.fromstring(emotionml(session([utterance(1, 0, 5)])))
    for category in root.findall("e:emotion/e:category", E):
        category.getparent().remove(category)
    assert not GRAMMAR.validate(root.getroottree())
