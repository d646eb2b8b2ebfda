"""Produces each line to a Kafka topic and waits until all in-sync replicas have it. It needs confluent-kafka.

The key is the line's stream, so that a stream's lines stay in one partition and in order. Azure Event Hubs is Kafka at
NAMESPACE.servicebus.windows.net:9093 with `password_env`: the variable that holds its connection string.

Sources: https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md,
https://learn.microsoft.com/azure/event-hubs/apache-kafka-configurations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.errors import ServingError
from serving.streams.building import build
from serving.streams.sinks.port import SinkError, secret, stream_of

QUIET = 2  # librdkafka's own log: nothing below critical, for what fails is told by SinkError
EVENT_HUBS_USER = "$ConnectionString"


@dataclass(frozen=True)
class KafkaOptions:
    """The brokers (host:port,host:port), the topic, who asks, and more of librdkafka's own settings.

    With `password_env` the connection is SASL_SSL and PLAIN; `settings` may say otherwise.
    """

    servers: str
    topic: str
    username: str = EVENT_HUBS_USER
    password_env: str | None = None
    timeout_seconds: float = 10.0
    settings: Mapping[str, str] = field(default_factory=dict)


class KafkaSink:
    """A topic, and the producer for it, which is thrown away when a line of it could not be delivered."""

    def __init__(self, name: str, options: KafkaOptions, password: str | None) -> None:
        self.name = name
        self.refused = 0
        self._options, self._settings = options, _settings(options, password)
        self._producer = self._new_producer()
        self._failures: list[str] = []
        self._reason, self._bad = "", 0

    def send(self, lines: Sequence[bytes]) -> None:
        """Produce each line. Raises SinkError where not every one is on all in-sync replicas in time."""
        self._failures, self._reason, self._bad = [], "", 0
        if self._producer is None:
            self._producer = self._new_producer()
        for line in lines:
            self._produce(line)
        # The producer gives up by itself after timeout_seconds; twice that is for one which does not.
        if left := self._producer.flush(2 * self._options.timeout_seconds):
            self._failures.append(f"{left} lines are not delivered")
        if self._failures:
            self.close()
            raise SinkError(f"{self._options.servers}: {self._reason or self._failures[0]}")
        self.refused += self._bad

    def close(self) -> None:
        """End the connections; what is not delivered is dropped."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(1.0)
            self._producer = None

    def _new_producer(self) -> Any:
        from confluent_kafka import Producer

        return Producer({**self._settings, "error_cb": self._note})

    def _produce(self, line: bytes) -> None:
        from confluent_kafka import KafkaException

        if (stream := stream_of(line)) is None:
            self._bad += 1
            return
        try:
            self._producer.produce(self._options.topic, line.rstrip(), stream.encode(), on_delivery=self._report)
        except KafkaException as error:
            self._report(error.args[0], None)
        except BufferError:
            self._failures.append("its queue is full")

    def _report(self, error: Any, message: Any) -> None:
        """Take in what became of one line."""
        if error is None:
            return
        if error.code() in (error.MSG_SIZE_TOO_LARGE, error.INVALID_MSG, error.INVALID_RECORD):
            self._bad += 1
        else:
            self._failures.append(error.str())

    def _note(self, error: Any) -> None:
        self._reason = error.str()


def _settings(options: KafkaOptions, password: str | None) -> dict[str, Any]:
    login = {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.username": options.username,
        "sasl.password": password,
    }
    return {
        "bootstrap.servers": options.servers,
        "acks": "all",
        "enable.idempotence": True,  # its retries neither repeat nor reorder lines
        "message.timeout.ms": int(options.timeout_seconds * 1000),
        "log_level": QUIET,
        **(login if password is not None else {}),
        **options.settings,
    }


def open_sink(name: str, options: Mapping[str, Any]) -> KafkaSink:
    """Return the sink of these options. Raises ServingError where they can't be used, or confluent-kafka is absent."""
    try:
        from confluent_kafka import KafkaException
    except ImportError:
        where = "environments/serve/options/kafka.txt"
        raise ServingError(f"sink kafka: confluent-kafka is not installed: see {where}") from None
    built = build(KafkaOptions, options, f"sink {name}")
    try:
        return KafkaSink(name, built, secret(built.password_env, f"sink {name}: password_env"))
    except KafkaException as error:
        raise ServingError(f"sink {name}: {error.args[0].str()}") from None
