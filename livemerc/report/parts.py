"""Sections of the page: shifts, moments, certainty, hearing, the model, consent and use."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence

from livemerc.config import RecordConfig
from livemerc.events import AsrInfo
from livemerc.notation import clock, fraction
from livemerc.report import sentences
from livemerc.report.anonymise import NAME, NUMBER, RULE, SPEAKER
from livemerc.report.card import Card, checkpoint_of
from livemerc.report.colours import speaker_class
from livemerc.report.facts import Facts, Line, Person, Shift
from livemerc.report.figures import lanes_of
from livemerc.report.markup import Child, Html, join, tag
from livemerc.report.transcript import label, said, verdict, who
from livemerc.sessions.session import Stretch

QUOTED = 280
"""Most characters of an utterance that is quoted; the transcript has it whole."""
_BETWEEN = 2
_STRETCHES = 30
_WARNINGS = 12
_BOOKMARKS = 200
_NOTICES = 20
_PUBLIC_MODEL = re.compile(r"en-us|(?:distil-)?(?:tiny|base|small|medium|large|turbo)(?:[.-](?:en|v\d|turbo|\d))*")


# -- shares ------------------------------------------------------------------------------------------------------------


def share_table(facts: Facts, shown: Sequence[tuple[str, Person]]) -> Html:
    labels = [part for part in lanes_of(facts) if any(part in person.shares() for _, person in shown)]
    rows = [_share_row(name, person, labels, facts.coloured.get(person.name)) for name, person in shown]
    if len(shown) > 1:
        rows.append(_share_row("all", Person(None, facts.lines), labels, None))
    heads = [
        tag("th", "Speaker" if facts.named else "", scope="col"),
        _number_head("utterances"),
        _number_head("speech"),
    ]
    heads += [tag("th", label(part, bold=False), scope="col", class_="n") for part in labels]
    caption = tag("caption", "Shares of the voiced time, in per cent.")
    table = tag("table", caption, tag("thead", tag("tr", *heads)), tag("tbody", *rows))
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="Table of shares")


def _number_head(words: str) -> Html:
    return tag("th", words, scope="col", class_="n")


def _share_row(name: str, person: Person, labels: Sequence[str], coloured: str | None) -> Html:
    shares = person.shares()
    cells = [
        tag("th", tag("bdi", name, class_=f"ink {speaker_class(coloured)}"), scope="row"),
        _number(f"{len(person.lines):,}"),
        _number(clock(person.voiced_s)),
    ]
    return tag(
        "tr", *cells, *(_number(f"{shares[part]:.0%}".rstrip("%") if part in shares else "–") for part in labels)
    )


def _number(words: str) -> Html:
    return tag("td", words, class_="n")


# -- shifts and moments ------------------------------------------------------------------------------------------------


_BECAUSE = (
    " Because of: the one other utterance without which the model would have said another label; it tells what the "
    "model went by, not why anybody felt anything."
)


def shifts(facts: Facts) -> Html:
    strongest = facts.strongest_shifts()
    per_minute = len(facts.shifts) / (facts.duration_s / 60) if facts.duration_s >= 60 else None
    whose = "the same speaker's" if facts.named else "one"
    words = (
        f"A shift is a change of label from {whose} utterance to the next; utterances without a label do not count. "
        f"There {'is' if len(facts.shifts) == 1 else 'are'} {sentences.count(len(facts.shifts), 'shift')}"
        + (f", {per_minute:.1f} a minute" if per_minute is not None else "")
        + (
            f"; these are the {len(strongest)} strongest, in order of time"
            if len(facts.shifts) > len(strongest)
            else ""
        )
        + ". Strength: how far apart the two estimates are, from 0 to 1. A shift between two labels that the monitor "
        "was hardly sure of may be none." + (_BECAUSE if any(shift.because is not None for shift in strongest) else "")
    )
    return join([tag("p", words), tag("ol", *(_shift(facts, shift) for shift in strongest), class_="list")])


def _shift(facts: Facts, shift: Shift) -> Html:
    before, after = shift.before, shift.after
    between = facts.lines[before.number : after.number - 1]
    left_out = len(between) - _BETWEEN if len(between) > _BETWEEN + 1 else 0
    following = facts.lines[after.number : after.number + 1]
    shown: list[Html] = [_quote(facts, before)]
    if left_out:
        shown.append(tag("li", tag("small", f"… {sentences.count(left_out, 'utterance')} …")))
    shown += [_quote(facts, line) for line in [*between[left_out:], after, *following]]
    heading = join(
        [
            tag("span", clock(after.start_s), class_="t"), " ", who(facts, after), ": " if after.speaker else None,
            label(before.shown), " → ", label(after.shown), tag("small", f" strength {fraction(shift.strength)}"),
            _because(facts, shift.because),
        ]
    )  # fmt: skip
    return tag("li", heading, tag("ul", *shown, class_="said"))


def _because(facts: Facts, line: Line | None) -> Html | None:
    if line is None:
        return None
    at = tag("a", clock(line.start_s), href=f"#u{line.number}", class_="t")
    return tag("small", " because of ", at, " " if line.speaker else None, who(facts, line))


def _quote(facts: Facts, line: Line, *notes: Child) -> Html:
    return tag(
        "li",
        tag("a", clock(line.start_s), href=f"#u{line.number}", class_="t"),
        " ",
        who(facts, line),
        " " if line.speaker else None,
        *verdict(facts, line),
        " ",
        *said(facts, line, QUOTED),
        *notes,
    )


def moments(facts: Facts) -> Html:
    pieces: list[Html] = []
    if facts.bookmarks:
        pieces += [tag("h3", "Marked by a person"), _bookmarks(facts)]
    strongest = facts.strongest()
    pieces.append(tag("h3", "Strongest"))
    if strongest:
        pieces.append(tag("p", "The labels other than neutral that the monitor was surest of."))
        pieces.append(tag("ul", *(_quote(facts, line) for line in strongest), class_="said"))
    else:
        pieces.append(tag("p", "The monitor gave no label other than neutral."))
    unsure = facts.least_certain()
    if unsure:
        pieces.append(tag("h3", "Least certain"))
        pieces.append(tag("p", "Here the probabilities are spread the widest: read the words, not the label."))
        pieces.append(tag("ul", *(_quote(facts, line, _doubt(line)) for line in unsure), class_="said"))
    return join(pieces)


def _bookmarks(facts: Facts) -> Html:
    """Each bookmark with the utterance that was heard then, or last before."""
    items = []
    begins_s = [line.start_s for line in facts.lines]
    for mark in facts.bookmarks[:_BOOKMARKS]:
        begun = bisect_right(begins_s, mark.t_s)
        note = [" ", tag("bdi", facts.words(mark.note))] if mark.note.strip() else []
        there = tag("ul", _quote(facts, facts.lines[begun - 1]), class_="said") if begun else None
        items.append(tag("li", tag("span", clock(mark.t_s), class_="t"), *note, there))
    if len(facts.bookmarks) > _BOOKMARKS:
        items.append(tag("li", f"… and {len(facts.bookmarks) - _BOOKMARKS:,} more."))
    return tag("ul", *items)


def _doubt(line: Line) -> Html:
    ranked = sorted(line.probabilities.items(), key=lambda item: -item[1])[:3]
    words = ", ".join(f"{name} {fraction(p)}" for name, p in ranked)
    if line.words is not None and line.voice is not None and line.words[0] != line.voice[0]:
        words += (
            f"; the words alone say {line.words[0]} {fraction(line.words[1])}, "
            f"the voice alone {line.voice[0]} {fraction(line.voice[1])}"
        )
    return tag("small", f" [{words}]")


# -- certainty and hearing ---------------------------------------------------------------------------------------------


def certainty(facts: Facts, card: Card | None) -> Html:
    pieces = [tag("p", words) for words in sentences.calibration(facts, card)]
    counts = [(low, high, number) for low, high, number in facts.confidences() if number]
    total = sum(number for _, _, number in counts)
    if total:
        rows = [
            tag("tr", tag("th", f"{fraction(low)} to {fraction(high)}", scope="row"), _number(f"{number:,}"),
                _number(f"{number / total:.0%}"))
            for low, high, number in counts
        ]  # fmt: skip
        heads = (tag("th", "probability", scope="col"), _number_head("labels"), _number_head("share"))
        caption = tag("caption", "How sure the monitor was of the labels that it gave.")
        pieces.append(tag("table", caption, tag("thead", tag("tr", *heads)), tag("tbody", *rows)))
    unsure = facts.abstentions()
    if unsure:
        share = sum(unsure.values()) / len(facts.lines)
        pieces.append(
            tag("p", f"It gave no label to {sentences.count(sum(unsure.values()), 'utterance')} ({share:.0%}): "
                f"{_counted(unsure)}.")
        )  # fmt: skip
    else:
        pieces.append(tag("p", "It gave a label to every utterance that it judged."))
    missing = sum(line.label is None for line in facts.lines)
    if missing:
        pieces.append(
            tag("p", f"{sentences.count(missing, 'utterance')} had no estimate when the recording broke off.")
        )
    return join(pieces)


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(f"{reason} ({number:,})" for reason, number in reasons.most_common(12))


def hearing(facts: Facts) -> Html:
    session = facts.session
    items: list[Child] = []
    if session.gaps:
        longest = max(session.gaps, key=lambda gap: gap.lost_s)
        items.append(
            f"{session.lost_s:.1f} s of audio were lost in {sentences.count(len(session.gaps), 'gap')}; the longest, "
            f"{longest.lost_s:.1f} s, was noticed at {clock(longest.t_s)}."
        )
    else:
        items.append("No audio was lost.")
    items += _stretches(facts, facts.paused, "Paused")
    items += _stretches(facts, facts.degraded, "Degraded")
    items += _stretches(facts, facts.microphone, "Microphone")
    gates = facts.gates()
    if gates:
        items.append(
            f"The words of {sentences.count(sum(gates.values()), 'utterance')} were screened out as doubtful and not "
            f"judged: {_counted(gates)}."
        )
    if session.cues_unheard:
        cues = sentences.count(session.cues_unheard, "cue")
        items.append(f"{cues} of the transcript met no speech: nobody was heard when they should have been said.")
    latencies = sorted(
        event.timing.total_ms
        for utterance in session.utterances
        for event in utterance.estimates[:1]
        if event.timing is not None and event.timing.total_ms is not None
    )
    if latencies:
        median, p95 = latencies[len(latencies) // 2], latencies[min(len(latencies) - 1, int(0.95 * len(latencies)))]
        items.append(
            f"A label came {median / 1000:.1f} s after the end of speech (median; 95 % within {p95 / 1000:.1f} s)."
        )
    if session.damaged:
        items.append(f"{sentences.count(session.damaged, 'damaged line')} of the recording could not be read.")
    if session.warnings and facts.anonymiser is not None:
        items.append(f"{sentences.count(len(session.warnings), 'warning')} about the recording: wording withheld.")
    elif session.warnings:
        items += [f"Warning: {warning}" for warning in session.warnings[:_WARNINGS]]
        if len(session.warnings) > _WARNINGS:
            items.append(f"… and {len(session.warnings) - _WARNINGS} more warnings.")
    return tag("ul", *(tag("li", item) for item in items))


def _stretches(facts: Facts, stretches: Sequence[Stretch], what: str) -> list[Child]:
    items: list[Child] = [
        f"{what} from {clock(stretch.start_s)} to {clock(stretch.end_s)}: {facts.words(stretch.reason)}"
        for stretch in stretches[:_STRETCHES]
    ]
    if len(stretches) > _STRETCHES:
        more = stretches[_STRETCHES:]
        seconds = sum(stretch.end_s - stretch.start_s for stretch in more)
        items.append(f"{what}: {len(more)} more stretches, {sentences.minutes(seconds)} in all.")
    return items


# -- model, consent, use -----------------------------------------------------------------------------------------------


def model(facts: Facts, card: Card | None) -> Html:
    checkpoint = checkpoint_of(facts.session)
    if checkpoint is None:
        return tag("p", "Which model judged this session is not recorded.")
    known = f"Checkpoint {name_of_model(facts, checkpoint.id)}, licence: {facts.mentions(checkpoint.licence)}."
    pieces = [tag("p", known), tag("p", tag("small", "SHA-256 of its manifest: ", tag("code", checkpoint.sha256[:64])))]
    if card is None:
        pieces.append(
            tag(
                "p",
                "Its model card is not at hand here, so what it can and cannot do is not told: ask whoever made it.",
            )
        )
        return join(pieces)
    pieces += [tag("p", card.about), tag("h3", "Limits, from its model card")]
    pieces.append(tag("ul", *(tag("li", limit) for limit in card.limits)))
    if card.figures:
        rows = [tag("tr", tag("td", what), tag("td", value)) for what, value in card.figures]
        heads = (tag("th", "What was measured", scope="col"), tag("th", "Figure", scope="col"))
        pieces.append(tag("h3", "Figures, from its model card"))
        pieces.append(tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_="long"))
    if card.use:
        pieces += [tag("h3", "Intended use, from its model card"), tag("p", card.use)]
    return join(pieces)


def name_of_model(facts: Facts, name: str) -> str:
    """A model's name. An anonymised report withholds a path, which tells names of folders."""
    if facts.anonymiser is not None and ("/" in name or "\\" in name):
        return "a model of one's own (path withheld)"
    return facts.mentions(name)  # `compact-2` is nobody's number


def name_of_recogniser(facts: Facts, asr: AsrInfo) -> str:
    """A recogniser with its model. An anonymised report withholds a name that is not public."""
    if not asr.model:
        return name_of_model(facts, asr.engine)
    if facts.anonymiser is not None and not _PUBLIC_MODEL.fullmatch(asr.model):
        return f"{name_of_model(facts, asr.engine)} (name withheld)"
    return f"{name_of_model(facts, asr.engine)} {asr.model}"


def scope(facts: Facts) -> list[tuple[str, Child]]:
    """What the session was for, and whose voice was judged."""
    start, info = facts.session.start, facts.session.info
    voice = None if start is None else start.voice
    if voice is not None:
        told = voice.told
        if facts.anonymiser is not None and voice.names is not None and not voice.text_only:
            names = ", ".join(facts.anonymiser.speaker(name) for name in voice.names)
            told = f"words, and the voice of {names}"
        return [("Purpose", voice.purpose), ("Judged", tag("bdi", told))]
    settings = None if info is None else info.config.get("model")
    told = "words alone, nobody's voice" if isinstance(settings, dict) and settings.get("text_only") is True else ""
    return [("Purpose", "not recorded"), ("Judged", told or "not recorded whose voice")]


def use(facts: Facts) -> Html:
    info = facts.session.info
    rows = scope(facts)
    if info is None:
        rows.append(("Consent", "not known: this is a file of events without its session.json"))
    else:
        noted = info.consent.strip() not in ("", RecordConfig().consent)
        consent = tag("bdi", facts.words(info.consent)) if noted else "none was noted (record.consent)"
        rows.append(("Consent, as recorded", consent))
        days = info.retention_days
        kept = "not said" if days is None else f"to be kept for {sentences.count(days, 'day')}, then deleted"
        rows.append(("Retention", kept))
        rows.append(("Audio", "recorded" if info.audio is not None else "not recorded"))
        if info.notice_shown_at:
            rows.append(("Notice shown", ", ".join(facts.mentions(at) for at in info.notice_shown_at[:_NOTICES])))
    listed = tag("dl", *(join([tag("dt", what), tag("dd", value)]) for what, value in rows), class_="head")
    return join([listed, *(tag("p", words) for words in (sentences.EXPRESSED, sentences.LAWFUL, sentences.KEEP))])


def anonymised(facts: Facts) -> list[str]:
    """What was replaced, and what the rule misses."""
    replaced = facts.replaced
    what = (
        (SPEAKER, "mention of a speaker", "mentions of speakers"),
        (NAME, "name", "names"),
        (NUMBER, "number", "numbers"),
    )
    counts = [sentences.count(replaced[sign], one, more) for sign, one, more in what if sign in replaced]
    addresses = sum(n for sign, n in replaced.items() if sign not in (SPEAKER, NAME, NUMBER))
    if addresses:
        counts.append(sentences.count(addresses, "address", "addresses"))
    found = f"Replaced in the words: {', '.join(counts)}." if counts else "In the words nothing had to be replaced."
    return [f"Anonymised by a simple rule. {RULE}", f"{found} Read the report before you hand it on."]
