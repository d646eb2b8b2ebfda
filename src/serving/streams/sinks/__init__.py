"""Where lines go: one file a kind of sink, and the one table that names them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from serving.errors import ServingError
from serving.streams.config import SinkConfig
from serving.streams.sinks import jsonl, kafka, mqtt, webhook
from serving.streams.sinks.port import Sink, SinkError

__all__ = ["SINKS", "Sink", "SinkError", "open_sink", "sink_name"]

SINKS: Mapping[str, Callable[[str, Mapping[str, Any]], Sink]] = {
    "jsonl": jsonl.open_sink,
    "mqtt": mqtt.open_sink,
    "webhook": webhook.open_sink,
    "kafka": kafka.open_sink,
}


def open_sink(config: SinkConfig) -> Sink:
    """Return the sink that a configuration describes; nothing is connected yet.

    Every kind takes `name`, by which its spool and its figures are known; it is the kind where none is given.
    Raises ServingError on an unknown kind or option, and where a package or a secret that it needs is absent.
    """
    if config.kind not in SINKS:
        raise ServingError(f"sinks: unknown kind '{config.kind}': known kinds are {', '.join(sorted(SINKS))}")
    return SINKS[config.kind](sink_name(config), {k: v for k, v in config.options.items() if k != "name"})


def sink_name(config: SinkConfig) -> str:
    """Return the sink's name. Raises ServingError where it can't be a folder's."""
    name = config.options.get("name", config.kind)
    if not isinstance(name, str) or not name.replace("-", "").replace("_", "").isalnum():
        raise ServingError(f"sinks: name: should be letters, digits, - and _, is {name!r}")
    return name
