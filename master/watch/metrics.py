"""What a scrape shows of the publisher, in Prometheus' words. Read when asked; costs nothing in between."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import REGISTRY, Collector

from .publisher import Publisher


class PublisherMetrics(Collector):
    """Registered once a process."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        REGISTRY.register(self)

    def collect(self) -> Iterator[Metric]:
        publisher, line = self._publisher, self._publisher.line
        yield GaugeMetricFamily("kubus_publisher_active", "1 while this process publishes", publisher.active)
        yield CounterMetricFamily("kubus_publisher_resumes", "lines that went on where one ended", publisher.resumes)
        yield CounterMetricFamily("kubus_publisher_repairs", "lines that had to repair the mirror", publisher.repairs)
        if line:
            yield GaugeMetricFamily("kubus_publisher_position", "newest revision handed to the stream", line.position)
            yield GaugeMetricFamily("kubus_publisher_acknowledged", "newest revision it confirmed", line.acknowledged)
            yield GaugeMetricFamily("kubus_publisher_alive", "objects and copies the mirror shows", line.alive)
            yield GaugeMetricFamily("kubus_publisher_line_messages", "messages of the current line", line.messages)
