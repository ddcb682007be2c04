"""What the monitor hears: level, clipping, and whether that is speech."""

from __future__ import annotations

from rich.text import Text

from livemerc.dashboard.panels.panel import Panel
from livemerc.dashboard.state.vitals import CLIPPING_DBFS

_FLOOR_DBFS = -60.0
_HEIGHTS = " ▁▂▃▄▅▆▇█"


class MeterPanel(Panel):
    """One line: speech sign, bar from -60 to 0 dBFS, figure, and the last seconds as a small strip."""

    def lines(self, width: int, height: int) -> list[Text]:
        palette, health = self.palette, self.state.health
        heard = health.level_dbfs is not None and self.state.phase != "finished"
        level_dbfs = health.level_dbfs if heard and health.level_dbfs is not None else -120.0
        if self.state.phase == "finished":
            line = Text(" ○ no input ", style=palette.dim)
        elif health.paused:
            line = Text(" ‖ paused   ", style=palette.style(palette.accent, bold=True))
        elif health.speaking:
            line = Text(" ● speech   ", style=palette.style(palette.good, bold=True))
        else:
            line = Text(" ○ quiet    ", style=palette.dim)
        figure = Text(
            f" {max(level_dbfs, -99):>4.0f} dBFS " if heard and level_dbfs > -119 else "    - dBFS ", style=palette.dim
        )
        if health.clipping:
            figure.append("CLIPS", style=palette.alarm)
        else:
            figure.append("     ")
        history = max(0, min(60, width // 3))
        room = max(0, width - line.cell_len - figure.cell_len - history - 3)
        filled = round(_share(level_dbfs) * room)
        line.append("━" * filled, style=palette.style(palette.danger if health.clipping else palette.good))
        line.append("─" * (room - filled), style=palette.rule)
        line.append_text(figure)
        line.append("  ")
        line.append_text(self._wave(history))
        return [line]

    def _wave(self, cells: int) -> Text:
        """The loudness of the last seconds, ten cells each; speech in colour, clipping in red."""
        palette, state = self.palette, self.state
        heard = list(zip(state.levels.dbfs, state.levels.voiced, strict=True))[-cells:] if cells else []
        wave = Text(" " * (cells - len(heard)))
        for level_dbfs, voiced in heard:
            style = palette.style(palette.good) if voiced else palette.dim
            if level_dbfs >= CLIPPING_DBFS:
                style = palette.style(palette.danger, bold=True)
            wave.append(
                _HEIGHTS[max(1, round(_share(level_dbfs) * 8)) if voiced else round(_share(level_dbfs) * 8)], style
            )
        return wave


def _share(level_dbfs: float) -> float:
    return max(0.0, min(1.0, 1 - level_dbfs / _FLOOR_DBFS))
