"""The other ends of sinks, real ones on loopback, for tests: a file, an HTTP server, an MQTT broker, a Kafka cluster.

Each can go down and come up again at the same address. Kafka's is librdkafka's own mock cluster in another process,
which hangs while it is down.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from running_endpoint import wait_for
from serving.streams.config import SinkConfig

MOCK_CLUSTER = """
import sys
from confluent_kafka import Producer
cluster = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
brokers = cluster.list_topics(sys.argv[1], timeout=30).brokers.values()  # a producer that asks makes the topic
print(",".join(f"{broker.host}:{broker.port}" for broker in brokers), flush=True)
sys.stdin.read()
"""


class FarEnd(Protocol):
    """Where a sink's lines arrive; it is up at first."""

    config: SinkConfig

    def received(self) -> list[bytes]:
        """Return all lines that have arrived so far."""

    def go_down(self) -> None:
        """Take no more lines."""

    def come_up(self) -> None:
        """Take lines again."""

    def close(self) -> None:
        """End it."""


class FileEnd:
    """A folder, which is no folder while it is down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "results"
        self.config = SinkConfig("jsonl", {"path": str(self._folder / "results.jsonl")})

    def received(self) -> list[bytes]:
        """Return the lines of the file, wherever it is."""
        paths = (Path(self.config.options["path"]), self._folder.with_name("aside") / "results.jsonl")
        return [line for path in paths if path.is_file() for line in path.read_bytes().splitlines()]

    def go_down(self) -> None:
        """Put a file in the folder's place."""
        if self._folder.exists():
            self._folder.rename(self._folder.with_name("aside"))
        self._folder.touch()

    def come_up(self) -> None:
        """Put the folder in its place."""
        self._folder.unlink()
        if self._folder.with_name("aside").exists():
            self._folder.with_name("aside").rename(self._folder)

    def close(self) -> None:
        """Leave the files to the test's folder."""


class HttpEnd:
    """A server that answers each POST by `status` of its body, and remembers what it took and the headers."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        """Listen on a free port, by TLS where a context is given."""
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.status: Callable[[bytes], int] = lambda body: 200
        self.answer_headers: dict[str, str] = {}
        self._port, self._context = 0, context
        self.come_up()
        scheme = "http" if context is None else "https"
        self.config = SinkConfig("webhook", {"url": f"{scheme}://127.0.0.1:{self._port}/in?a=b", "timeout_seconds": 5})

    def received(self) -> list[bytes]:
        """Return the lines of the bodies that were taken."""
        return b"".join(self.bodies).splitlines()

    def go_down(self) -> None:
        """Stop listening, and end the connections."""
        self._server.shutdown()
        self._server.server_close()
        self.drop_connections()

    def drop_connections(self) -> None:
        """End the connections that are open, as a server does with those that have been idle for long."""
        while self._sockets:
            self._sockets.pop().shutdown(socket.SHUT_RDWR)

    def come_up(self) -> None:
        """Listen on the port of before."""
        self._sockets: list[socket.socket] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._port = self._server.server_port
        if self._context is not None:
            self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """End it."""
        self.go_down()

    def _handler(end) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                end._sockets.append(self.request)
                super().setup()

            def finish(self) -> None:
                if self.request in end._sockets:
                    end._sockets.remove(self.request)
                super().finish()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = end.status(body)
                end.headers.append({"path": self.path, **self.headers})
                if status == 200:
                    end.bodies.append(body)
                self.send_response(status)
                for key, value in end.answer_headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words: Any) -> None: ...

        return Handler


class MqttEnd:
    """A broker in a thread of its own, and a client that listens to all topics."""

    def __init__(self) -> None:
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.config = SinkConfig("mqtt", {"host": "127.0.0.1", "port": self._port, "timeout_seconds": 5})
        self.messages: list[tuple[str, bytes]] = []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self.come_up()

    def received(self) -> list[bytes]:
        """Return what was published."""
        return [payload for _, payload in self.messages]

    def go_down(self) -> None:
        """End the broker with its connections."""
        self._client.disconnect()
        self._client.loop_stop()
        self._do(self._broker.shutdown())

    def come_up(self) -> None:
        """Begin a broker on the port of before, and listen."""
        from amqtt.broker import Broker
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        listener = {"default": {"type": "tcp", "bind": f"127.0.0.1:{self._port}"}}
        plugins: dict[str, Any] = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}

        async def broker() -> Any:
            return Broker({"listeners": listener, "plugins": plugins})

        self._broker = self._do(broker())
        self._do(self._broker.start())
        listening = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: listening.set()
        self._client.on_message = lambda client, data, message: self.messages.append((message.topic, message.payload))
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        assert listening.wait(30)

    def close(self) -> None:
        """End the broker and its thread."""
        self.go_down()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)


class KafkaEnd:
    """A cluster in a process of its own, and a consumer of one topic."""

    def __init__(self) -> None:
        from confluent_kafka import Consumer, TopicPartition

        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        topic = "results"
        self._cluster = subprocess.Popen([sys.executable, "-c", MOCK_CLUSTER, topic], **pipes)
        assert self._cluster.stdout is not None
        servers = self._cluster.stdout.readline().strip()
        self.config = SinkConfig("kafka", {"servers": servers, "topic": topic, "timeout_seconds": 5})
        self.messages: list[tuple[int, bytes, bytes]] = []
        self._consumer = Consumer({"bootstrap.servers": servers, "group.id": "tests", "log_level": 0})
        partitions = wait_for(lambda: self._consumer.list_topics(topic, 30).topics[topic].partitions)
        self._consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])

    def received(self) -> list[bytes]:
        """Return what was produced."""
        for message in self._consumer.consume(1000, 0.2):
            if message.error() is None:
                self.messages.append((message.partition(), message.key(), message.value()))
        return [value for _, _, value in self.messages]

    def go_down(self) -> None:
        """Let the cluster hang."""
        self._cluster.send_signal(signal.SIGSTOP)

    def come_up(self) -> None:
        """Let it go on."""
        self._cluster.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End the cluster."""
        self._consumer.close()
        self._cluster.kill()
        self._cluster.wait()


def far_end(kind: str, folder: Path) -> FarEnd:
    """Return the other end of a kind of sink."""
    ends: dict[str, Callable[[], FarEnd]] = {"webhook": HttpEnd, "mqtt": MqttEnd, "kafka": KafkaEnd}
    return FileEnd(folder) if kind == "jsonl" else ends[kind]()
