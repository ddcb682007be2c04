"""What a server tells of itself, for Prometheus: of all rooms together, since their names are people's own affair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from livemerc.events import EmotionEvent, Event, SessionEnd, SessionStart, Status, UtteranceFinal


def merged(texts: Mapping[str, str]) -> bytes:
    """The figures of several servers as one text, each sample labelled with its `server`."""
    families: dict[str, Metric] = {}
    for server, text in texts.items():
        for family in text_string_to_metric_families(text):
            mine = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                mine.add_sample(sample.name, {**sample.labels, "server": server}, sample.value)

    class All(Collector):
        def collect(self) -> Iterable[Metric]:
            return families.values()

    registry = CollectorRegistry(auto_describe=False)
    registry.register(All())
    return generate_latest(registry)


_SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


class Metrics:
    """`see` every event; the rest is set by whoever knows. For one thread."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.rooms = Gauge("livemerc_rooms", "Rooms in which a session runs", registry=registry)
        self.sources = Gauge("livemerc_sources", "Sources that speak", registry=registry)
        self.connections = Gauge("livemerc_connections", "WebSockets and event streams", registry=registry)
        self.refused = Counter("livemerc_refused", "Requests refused", ["status"], registry=registry)
        self.slow = Counter("livemerc_slow_readers", "Readers that lost their connection", registry=registry)
        self._sessions = Counter("livemerc_sessions", "Sessions begun", registry=registry)
        self._utterances = Counter("livemerc_utterances", "Utterances", registry=registry)
        self._dropped = Counter("livemerc_dropped_seconds", "Audio lost", registry=registry)
        self._lag = Gauge("livemerc_lag_seconds", "Of the room that is furthest behind", registry=registry)
        self._queued = Gauge("livemerc_queued", "What waits, in all rooms", ["stage"], registry=registry)
        self._degraded = Gauge("livemerc_degraded_rooms", "Rooms that give something up", registry=registry)
        timed = {
            "label": "From the decided endpoint to the label",
            "asr": "Words",
            "encode": "Stage I",
            "fuse": "Stages II and III",
        }
        self._timed = {
            name: Histogram(f"livemerc_{name}_seconds", what, registry=registry, buckets=_SECONDS)
            for name, what in timed.items()
        }  # fmt: skip
        self._status: dict[str, Status] = {}
        self._dropped_s: dict[str, float] = {}

    def see(self, room: str, event: Event) -> None:
        if isinstance(event, SessionStart):
            self._sessions.inc()
            self._dropped_s[room] = 0.0
        elif isinstance(event, UtteranceFinal):
            self._utterances.inc()
        elif isinstance(event, EmotionEvent) and event.timing is not None:
            t = event.timing
            label_ms = None
            if t.total_ms is not None and t.endpoint_wait_ms is not None:
                label_ms = t.total_ms - t.endpoint_wait_ms
            for name, ms in (("label", label_ms), ("asr", t.asr_ms), ("encode", t.encode_ms), ("fuse", t.fuse_ms)):
                if ms is not None:
                    self._timed[name].observe(max(0.0, ms) / 1000)
        elif isinstance(event, Status):
            self._status[room] = event
            self._drop(room, event.dropped_s)
        elif isinstance(event, SessionEnd):
            self._drop(room, event.dropped_s)
            self._status.pop(room, None)
            self._dropped_s.pop(room, None)

    def _drop(self, room: str, dropped_s: float) -> None:
        self._dropped.inc(max(0.0, dropped_s - self._dropped_s.get(room, 0.0)))
        self._dropped_s[room] = dropped_s

    def text(self) -> bytes:
        """In Prometheus's text format."""
        statuses = self._status.values()
        self._lag.set(max((status.lag_s for status in statuses), default=0.0))
        self._degraded.set(sum(status.degraded is not None for status in statuses))
        for stage in ("asr", "model"):
            self._queued.labels(stage).set(sum(status.queued.get(stage, 0) for status in statuses))
        return generate_latest(self._registry)
