"""Publishes each line to an MQTT 3.1.1 broker with QoS 1, and waits until each is acknowledged. It needs paho-mqtt.

A connection that failed is thrown away with all that paho still holds for it: paho would send that again by itself,
beside what the outbox sends again, and out of order.

Source: https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/ (4.3.2 QoS 1, 4.7.1 wildcards, 4.9 no more in flight than 65535).
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.errors import ServingError
from serving.streams.building import build
from serving.streams.sinks.port import SinkError, secret, stream_of
from serving.streams.sinks.tls import client_context

IN_FLIGHT = 100  # messages: what AWS IoT Core takes of one client; others take more
LOOK_SECONDS = 0.1  # how often a lost connection is looked for while an acknowledgement is awaited
LOST = "the connection was lost"
NOT_CONNECTED = (4, 7)  # MQTT_ERR_NO_CONN, MQTT_ERR_CONN_LOST: the connection ended while a message was handed over
FORBIDDEN = re.compile(r"[+#/\x00]")


@dataclass(frozen=True)
class MqttOptions:
    """The broker and the topic, in which {stream} stands for the line's stream.

    `password_env` names the environment variable with the password. `tls` is implied by `ca_file` and `certificate`.
    """

    host: str
    topic: str = "visionline/{stream}"
    port: int = 1883
    tls: bool = False
    ca_file: str | None = None
    certificate: str | None = None
    key: str | None = None
    client_id: str | None = None
    username: str | None = None
    password_env: str | None = None
    timeout_seconds: float = 10.0


class MqttSink:
    """A broker, and the connection to it, which is kept."""

    def __init__(self, name: str, options: MqttOptions, password: str | None) -> None:
        self.name = name
        self.refused = 0
        self._options, self._password = options, password
        is_secure = options.tls or options.ca_file or options.certificate
        files = (options.ca_file, options.certificate, options.key)
        self._context = client_context(f"sink {name}", *files) if is_secure else None
        self._client: Any = None

    def send(self, lines: Sequence[bytes]) -> None:
        """Publish each line that can be read. Raises SinkError where not every one is acknowledged in time."""
        try:
            if self._client is None:
                self._client = self._connect()
            topics = [topic_of(line, self._options.topic) for line in lines]
            sent = [
                self._client.publish(topic, line.rstrip(), qos=1)
                for topic, line in zip(topics, lines, strict=True)
                if topic is not None
            ]
            if any(message.rc in NOT_CONNECTED for message in sent):
                raise OSError(LOST)
            self._await(sent)
            self.refused += len(lines) - len(sent)
        except (OSError, RuntimeError, ValueError) as error:
            self.close()
            raise SinkError(f"{self._options.host}:{self._options.port}: {error}") from None

    def close(self) -> None:
        """End the connection."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def _connect(self) -> Any:
        client, answered, refusals = self._new_client(), threading.Event(), list[str]()

        def on_connect(client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
            refusals.extend([str(reason)] if reason.is_failure else [])
            answered.set()

        client.on_connect = on_connect
        client.connect(self._options.host, self._options.port)
        client.loop_start()
        if not answered.wait(self._options.timeout_seconds) or refusals:
            client.loop_stop()
            raise OSError(refusals[0] if refusals else "no answer in time")
        return client

    def _new_client(self) -> Any:
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        name = self._options.client_id or f"visionline-{uuid.uuid4().hex[:10]}"
        client = Client(CallbackAPIVersion.VERSION2, name, reconnect_on_failure=False)
        client.connect_timeout = self._options.timeout_seconds
        client.max_inflight_messages_set(IN_FLIGHT)
        if self._context is not None:
            client.tls_set_context(self._context)
        if self._options.username is not None:
            client.username_pw_set(self._options.username, self._password)
        return client

    def _await(self, sent: Sequence[Any]) -> None:
        deadline = time.monotonic() + self._options.timeout_seconds
        for message in sent:
            while not message.is_published():
                if not self._client.is_connected():
                    raise OSError(LOST)
                if time.monotonic() > deadline:
                    raise OSError("not acknowledged in time")
                message.wait_for_publish(LOOK_SECONDS)


def topic_of(line: bytes, topic: str) -> str | None:
    """Return the topic of a JSON line; what a stream's name holds of wildcards and levels becomes _. None: no JSON."""
    stream = stream_of(line)
    return None if stream is None else topic.replace("{stream}", FORBIDDEN.sub("_", stream or "all"))


def open_sink(name: str, options: Mapping[str, Any]) -> MqttSink:
    """Return the sink of these options. Raises ServingError where they can't be used, or paho-mqtt is absent."""
    try:
        import paho.mqtt.client  # noqa: F401
    except ImportError:
        raise ServingError("sink mqtt: paho-mqtt is not installed: see environments/serve/options/mqtt.txt") from None
    built = build(MqttOptions, options, f"sink {name}")
    plain = built.topic.replace("{stream}", "")
    if not built.topic or "+" in plain or "#" in plain or "\x00" in plain:
        raise ServingError(f"sink {name}: topic: should hold no wildcard, is {built.topic!r}")
    return MqttSink(name, built, secret(built.password_env, f"sink {name}: password_env"))
