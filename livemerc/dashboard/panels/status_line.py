"""Is the monitor well? One header line, one or two lines of figures, and trouble that cannot be missed."""

from __future__ import annotations

from rich.text import Text

from livemerc.dashboard.palette import Palette
from livemerc.dashboard.panels.panel import Panel, spread
from livemerc.dashboard.state.vitals import LAG_TROUBLE_S, Playback
from livemerc.notation import clock
from livemerc.purpose import VoiceScope
from livemerc.text_safety import sure_width

_SEPARATOR = " · "
_PATH_CHARACTERS = 18
"""How much of a folder's path is shown, from its end: on 60 columns there is room for this beside the words."""
_SCOPE_CHARACTERS = 24
_PAUSED = "PAUSED: nothing is being heard. Space goes on."
_PAUSED_THEN = "PAUSED HERE: nothing was heard."


class HeaderLine(Panel):
    """Name, source, time, and what the monitor is doing."""

    following = True

    def lines(self, width: int, height: int) -> list[Text]:
        palette, state = self.palette, self.state
        left = Text(" livemerc ", style=palette.style(palette.accent, bold=True))
        if state.start is not None:
            left.append(sure_width(state.start.source), style=palette.text)
        if state.playback is not None:
            show = _watching if state.playback.watched else _playback
            return [spread(left, show(palette, state.playback, self.following), width)]
        if state.health.loading and state.phase in ("loading", "live"):
            right = Text("◌ loading models... listening already", style=palette.style(palette.accent))
        elif state.phase == "loading":
            right = Text("◌ starting...", style=palette.style(palette.accent))
        elif state.phase == "live" and state.health.paused:
            right = Text("‖ paused, nothing is heard", style=palette.style(palette.accent, bold=True))
        elif state.phase == "live":
            right = Text("● live", style=palette.style(palette.good, bold=True))
        elif state.phase == "finishing":
            right = Text("◌ finishing the last utterance...", style=palette.style(palette.accent, bold=True))
        else:
            right = Text("■ finished", style=palette.style(palette.foreground, bold=True))
            right.append("  q leaves", style=palette.dim)
        if not self.following:
            right = Text("scrolled back, f follows  ", style=palette.style(palette.accent)).append_text(right)
        right.append(f"  {clock(max(state.health.elapsed_s, state.duration_s))} ", style=palette.text)
        return [spread(left, right, width)]


def _playback(palette: Palette, playback: Playback, following: bool) -> Text:
    """`► replay 2x  00:12 / 12:30`."""
    if playback.paused:
        right = Text("‖ paused", style=palette.style(palette.accent, bold=True))
    elif playback.ended:
        right = Text("■ end", style=palette.style(palette.foreground, bold=True))
    else:
        right = Text("► replay", style=palette.style(palette.good, bold=True))
    right.append(f" {playback.speed:g}x" if playback.speed else " at once", style=palette.text)
    if not following:
        right = Text("scrolled back, f follows  ", style=palette.style(palette.accent)).append_text(right)
    growing = "+" if playback.growing else ""
    times = f"  {clock(playback.position_s)} / {clock(playback.duration_s)}{growing} "
    return right.append(times, style=palette.text)


def _watching(palette: Palette, playback: Playback, following: bool) -> Text:
    """`● live, recorded  12:30`; what is behind the newest event says how to get there."""
    if playback.waiting is not None:
        where = sure_width(playback.waiting)
        where = where if len(where) <= _PATH_CHARACTERS else "…" + where[1 - _PATH_CHARACTERS :]
        return Text(f"◌ waiting for a recording in {where} ", style=palette.style(palette.accent))
    if playback.paused:
        right = Text("‖ paused", style=palette.style(palette.accent, bold=True))
    elif playback.behind_s is not None:
        right = Text("► replay", style=palette.style(palette.good, bold=True))
    elif playback.ended:
        right = Text(
            "■ broken off" if playback.trouble else "■ ended", style=palette.style(palette.foreground, bold=True)
        )
    else:
        right = Text("● live", style=palette.style(palette.good, bold=True))
    if playback.behind_s is not None:
        where = "end" if playback.ended else "live"
        right.append(f", {clock(playback.behind_s)} behind, l: {where}", style=palette.text)
    if not following:
        right = Text("scrolled back, f follows  ", style=palette.style(palette.accent)).append_text(right)
    return right.append(f"  {clock(playback.position_s)} ", style=palette.text)


class StatusLine(Panel):
    """What hears, what judges, on what, and how fast: figures in grey, those out of order in red."""

    def lines(self, width: int, height: int) -> list[Text]:
        names, figures = self._items()
        lines = self._flow(names, width) + self._flow(figures, width)
        if len(lines) != height:  # all on one line, or more than there is room for
            lines = self._flow(names + figures, width)
        # the last figures are the least telling: on a small screen they go first
        for line in lines[:height]:
            line.truncate(width, overflow="ellipsis")
        return lines[:height]

    def _flow(self, items: list[Text], width: int) -> list[Text]:
        """The items one after the other, in as many lines as they need."""
        lines: list[Text] = []
        for item in items:
            line = lines[-1] if lines else None
            if line is None or line.cell_len + len(_SEPARATOR) + item.cell_len > width - 1:
                lines.append(Text.assemble(" ", item))
            else:
                line.append(_SEPARATOR, style=self.palette.rule)
                line.append_text(item)
        return lines

    def _items(self) -> tuple[list[Text], list[Text]]:
        """What hears and judges; how fast and how well."""
        palette, state = self.palette, self.state
        health, start = state.health, state.start
        bad = palette.alarm
        items: list[str] = []
        if start is not None:
            asr = start.asr.engine + (f" {start.asr.model}" if start.asr.model else "")
            items += [sure_width(asr), sure_width(start.device), sure_width(start.checkpoint.id)]
        names = [Text(item, style=palette.dim) for item in items or ["no model yet"]]
        if state.voice is not None:
            names.insert(0, _scope(palette, state.voice))
        if state.recording is not None:
            names.insert(0, Text(f"● {sure_width(state.recording)}", style=palette.style(palette.trouble, bold=True)))
        p50, p95 = state.latency_ms(0.5), state.latency_ms(0.95)
        latency = "-" if p50 is None or p95 is None else f"{p50:.0f}/{p95:.0f} ms"
        figures = [Text.assemble(("latency ", palette.dim), (latency, palette.text))]
        lag_style = bad if health.lag_s >= LAG_TROUBLE_S else palette.text
        figures.append(Text.assemble(("lag ", palette.dim), (f"{health.lag_s:.1f} s", lag_style)))
        lost_style = bad if health.dropped_s else palette.text
        figures.append(Text.assemble(("lost ", palette.dim), (f"{health.dropped_s:.1f} s", lost_style)))
        overrun_style = bad if health.overruns else palette.text
        overruns = Text.assemble(("overruns ", palette.dim), (str(health.overruns), overrun_style))
        queue = Text.assemble(("queue ", palette.dim), (str(sum(health.queued.values())), palette.text))
        return names, [*figures, *((overruns, queue) if health.overruns else (queue, overruns))]


def _scope(palette: Palette, voice: VoiceScope) -> Text:
    """`work: words alone`: what it is for, and whose voice is judged."""
    told = sure_width(voice.short)
    told = told if len(told) <= _SCOPE_CHARACTERS else told[: _SCOPE_CHARACTERS - 1] + "…"
    return Text.assemble((f"{voice.purpose}: ", palette.text), (told, palette.style(palette.foreground, bold=True)))


class TroubleBanner(Panel):
    """Microphone trouble and degraded modes, reversed over the whole width; not there while all is well."""

    def needed_height(self, width: int) -> int:
        return len(self.lines(width, 0))

    def lines(self, width: int, height: int) -> list[Text]:
        style = self.palette.alarm
        wrapped: list[Text] = []
        if self.state.health.paused and self.state.phase != "finished":
            told = _PAUSED if self.state.playback is None else _PAUSED_THEN
            paused = Text(f" ‖ {told}", self.palette.notable)
            paused.append(" " * (width - paused.cell_len))
            wrapped.append(paused)
        for trouble in self.state.troubles():
            for line in Text(f"! {sure_width(trouble)}", style=style).wrap(self.app.console, max(10, width - 2)):
                line.rstrip()
                body = Text.assemble(" ", line, style=style)
                body.append(" " * (width - body.cell_len))
                wrapped.append(body)
        most = max(2, self.app.size.height // 4)  # the words must stay in sight
        return wrapped[:most]
