"""An OpenAPI document as one HTML page, which loads nothing from anywhere and runs no script. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Json = Mapping[str, Any]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24 }
h1 small { font-weight: normal; color: #59636e } h2 { margin-top: 2.5rem; text-transform: capitalize }
code, pre { font: 0.9em ui-monospace, monospace } pre { background: #f3f5f7; padding: 0.8rem; overflow: auto }
details { border: 1px solid #d1d9e0; border-radius: 6px; margin: 0.5rem 0; padding: 0.5rem 0.8rem }
summary { cursor: pointer } summary b { display: inline-block; min-width: 3.2rem } .get { color: #0550ae }
.post { color: #116329 } .what { color: #59636e } table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: 0.25rem 0.8rem 0.25rem 0; border-top: 1px solid #d1d9e0 }
@media (prefers-color-scheme: dark) {
  body { background: #0d1117; color: #e6edf3 } pre { background: #161b22 } .get { color: #79c0ff }
  .post { color: #7ee787 } details, td, th { border-color: #30363d } .what, h1 small { color: #9198a1 }
}
"""


def docs_page(document: Json) -> bytes:
    """Return the page, in UTF-8."""
    info = document["info"]
    title = f"{escape(info['title'])} <small>{escape(info['version'])}</small>"
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>",
        f"<meta name=viewport content='width=device-width'><style>{STYLE}</style><h1>{title}</h1>",
        *(f"<p>{escape(text)}</p>" for text in info["description"].split("\n\n")),
        "<p>For programs: <a href=/openapi.json>/openapi.json</a>, OpenAPI 3.1.</p>",
        *(part for tag in document["tags"] for part in _group(document, tag["name"])),
        "<h2>Bodies</h2>",
        *(_schema(name, schema) for name, schema in document["components"]["schemas"].items()),
    ]
    return "\n".join(parts).encode()


def _group(document: Json, tag: str) -> Iterator[str]:
    yield f"<h2>{escape(tag)}</h2>"
    for path, item in document["paths"].items():
        for method in ("get", "post"):
            if method in item and tag in item[method]["tags"]:
                yield _operation(document, path, method, item)


def _operation(document: Json, path: str, method: str, item: Json) -> str:
    operation = item[method]
    parameters = [_resolved(document, one) for one in (*item.get("parameters", ()), *operation.get("parameters", ()))]
    asked = operation.get("requestBody", {}).get("content", {})
    responses = {status: _resolved(document, one) for status, one in operation["responses"].items()}
    rows = [
        *((escape(one["name"]), f"{one['in']}: {escape(one['description'])}") for one in parameters),
        *(("body", _kind(kind, content)) for kind, content in asked.items()),
        *((escape(status), _response(one)) for status, one in responses.items()),
    ]
    table = "".join(f"<tr><th>{name}<td>{meaning}" for name, meaning in rows)
    name = f"<b class={method}>{method.upper()}</b> <code>{escape(path)}</code>"
    what = f"<span class=what>{escape(operation['summary'])}</span>"
    return f"<details id={operation['operationId']}><summary>{name} {what}</summary><table>{table}</table></details>"


def _response(response: Json) -> str:
    bodies = ", ".join(_kind(kind, content) for kind, content in response["content"].items())
    return f"{escape(response['description'])}<br>{bodies}"


def _kind(kind: str, content: Json) -> str:
    schema = content["schema"]
    names = [one["$ref"].rsplit("/", 1)[1] for one in schema.get("oneOf", [schema]) if "$ref" in one]
    links = " or ".join(f"<a href='#{name}'>{name}</a>" for name in names)
    return f"<code>{escape(kind)}</code> {links}"


def _schema(name: str, schema: Json) -> str:
    text = escape(json.dumps(schema, indent=2))
    return f"<details id={name}><summary><code>{name}</code></summary><pre>{text}</pre></details>"


def _resolved(document: Json, item: Json) -> Json:
    if "$ref" not in item:
        return item
    kind, name = item["$ref"].split("/")[2:]
    resolved: Json = document["components"][kind][name]
    return resolved
