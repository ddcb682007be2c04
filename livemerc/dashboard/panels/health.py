"""Health: what hears, what judges, how fast it is, and what is wrong, with its mend."""

from __future__ import annotations

from rich.text import Text

from livemerc.dashboard.panels.panel import Panel
from livemerc.dashboard.state.vitals import LAG_TROUBLE_S
from livemerc.notation import clock
from livemerc.text_safety import sure_width

ROWS = 11
"""What the panel needs in one column."""
_TWO_COLUMNS = 56
_NAME_CELLS = 11
_ELSEWHERE = ("elapsed", "lag, queue")
"""Left out on a small screen, because the header and the status line have them, too."""


class HealthPanel(Panel):
    """One figure a row; in two columns where there are too few rows."""

    def lines(self, width: int, height: int) -> list[Text]:
        inner, palette = width - 2, self.palette
        rows = self._rows()
        head = Text().append("HEALTH ", style=palette.title)
        head.append_text(self._verdict())
        if height < len(rows) + 1 and inner >= _TWO_COLUMNS:
            rows = [row for row in rows if row[0] not in _ELSEWHERE]
            half = -(-len(rows) // 2)
            left = (inner - 3) // 2
            cells = [self._cell(row, left) for row in rows[:half]]
            others = [self._cell(row, inner - left - 3) for row in rows[half:]] + [Text()] * (2 * half - len(rows))
            body = [Text.assemble(a, "   ", b) for a, b in zip(cells, others, strict=True)]
        else:
            body = [self._cell(row, inner) for row in rows]
        return [Text.assemble(" ", line) for line in [head, *body][:height]]

    def _verdict(self) -> Text:
        palette, state = self.palette, self.state
        troubles = len(state.troubles())
        if state.health.paused:
            return Text("paused", style=palette.style(palette.accent, bold=True))
        if troubles:
            return Text(f" {troubles} trouble{'s' if troubles > 1 else ''} ", style=palette.alarm)
        return Text("well", style=palette.style(palette.good, bold=True))

    def _cell(self, row: tuple[str, Text], width: int) -> Text:
        name, value = row
        cell = Text.assemble((f"{name:<{_NAME_CELLS}}", self.palette.dim), value)
        cell.truncate(width, overflow="ellipsis")
        cell.append(" " * (width - cell.cell_len))
        return cell

    def _rows(self) -> list[tuple[str, Text]]:
        state, palette = self.state, self.palette
        health, start = state.health, state.start
        bad = palette.alarm

        def plain(text: str, *, wrong: bool = False) -> Text:
            return Text(text, style=bad if wrong else palette.text)

        source, asr, model = "-", "-", "-"
        if start is not None:
            source = sure_width(start.source)
            asr = sure_width(start.asr.engine + (f" {start.asr.model}" if start.asr.model else ""))
            model = f"{sure_width(start.checkpoint.id)} on {sure_width(start.device)}"
        p50, p95 = state.latency_ms(0.5), state.latency_ms(0.95)
        latency = "-" if p50 is None or p95 is None else f"{p50:.0f}, p95 {p95:.0f} ms"
        queue = ", ".join(f"{sure_width(name)} {count}" for name, count in health.queued.items() if count) or "empty"
        if state.playback is not None and health.mic is None:
            microphone = plain("-")
        elif health.paused or state.phase == "finished":
            microphone = plain("nothing is being heard")
        elif health.mic is None:
            microphone = plain("-" if start is None or start.source.startswith("mic") else "none is used")
        else:
            microphone = plain("well" if health.mic.ok else "trouble, see above", wrong=not health.mic.ok)
        if state.playback is not None:
            recording = Text("this is one", style=palette.text)
        elif state.recording is None:
            recording = Text("nothing is kept", style=palette.text)
        else:
            recording = Text(f"● {sure_width(state.recording)}", style=palette.style(palette.trouble, bold=True))
        given_up = sure_width(health.given_up) if health.given_up else "nothing given up"
        return [
            ("source", plain(source)),
            ("words by", plain(asr)),
            ("judged by", plain(model)),
            ("latency", plain(latency)),
            ("lag, queue", plain(f"{health.lag_s:.1f} s, {queue}", wrong=health.lag_s >= LAG_TROUBLE_S)),
            ("elapsed", plain(clock(max(health.elapsed_s, state.duration_s)))),
            ("recording", recording),
            ("lost", plain(_lost(health.dropped_s, health.overruns), wrong=health.dropped_s > 0)),
            ("microphone", microphone),
            ("degraded", plain(given_up, wrong=health.given_up is not None)),
        ]


def _lost(dropped_s: float, overruns: int) -> str:
    return f"{dropped_s:.1f} s, {overruns} overrun{'s' if overruns != 1 else ''}"
