"""What a server counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric

from hicmae_cli.serving.desk import Desk

_BUCKETS_S = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)


class Counters:
    """Counters of one server.

    Args:
        desk: its queue.
    """

    def __init__(self, desk: Desk) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "hicmae_predictions",
            "Requests for a prediction, by the status of the answer",
            ["status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "hicmae_prediction_seconds",
            "Time from a request to its prediction",
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._bytes = Counter("hicmae_received_bytes", "Bytes of the bodies of requests", registry=self._registry)
        waiting = Gauge("hicmae_waiting", "Requests that wait for their prediction", registry=self._registry)
        waiting.set_function(lambda: desk.waiting)
        self._registry.register(_Lost(desk))
        ProcessCollector(registry=self._registry)

    def count(self, status: int, size: int, seconds: float) -> None:
        """Count a request that has been answered.

        Args:
            status: of the answer.
            size: bytes of the body that were read.
            seconds: from the request to the answer.
        """
        self._answers.labels(str(status)).inc()
        self._bytes.inc(size)
        if status == 200:
            self._seconds.observe(seconds)

    def write(self) -> str:
        """Return all of them in the text format of Prometheus."""
        return generate_latest(self._registry).decode()


class _Lost:
    """Reads a number that the desk counts in its own thread."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def collect(self) -> list[Metric]:
        text = "Processes that ended before they had a result: crashed, killed or stopped"
        return [CounterMetricFamily("hicmae_lost_processes", text, value=self._desk.lost)]
