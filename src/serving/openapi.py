"""The HTTP API of an endpoint as an OpenAPI 3.1 document. Pure: it knows no socket and serves nothing.

serving.routes says which paths there are; a test holds both together. What a body looks like is in
serving.openapi_schemas.

Sources: https://spec.openapis.org/oas/v3.1.0; the Open Inference Protocol's inference_rest.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.openapi_schemas import SCHEMAS

Json = dict[str, Any]

MODEL = "/v2/models/{model}"
VERSION = f"{MODEL}/versions/{{version}}"
REPOSITORY = "/v2/repository"
JSON, BINARY, TEXT, HTML = "application/json", "application/octet-stream", "text/plain", "text/html"
IMAGES = ("image/jpeg", "image/png", "image/webp")

DESCRIPTION = """Scores images by the models of sealed packages, as the Open Inference Protocol v2 and by POST /score.

Each error is one line, {"error": reason}. Where the server has keys or takes tokens, all but /v2/health/ needs one.
HEAD is answered wherever GET is."""

ERRORS = {
    400: "What is asked can't be read, or is not for this model: the reason names the place",
    401: "No key or token, or none that is known",
    403: "The token is good and has none of the roles that are asked for",
    404: "There is no such page, model or version here",
    405: "The page answers another method, which `Allow` names",
    408: "The headers or the body took too long to come",
    413: "The body, the form or the image is too large",
    415: "The body is of a kind that is not read here",
    431: "The headers are too long",
    500: "The model failed, or the server did",
    503: "Not ready, or too much to do to be in time: ask again, after `Retry-After` seconds where it is there",
    504: "It was declared, and is not done yet",
}
ALWAYS = (400, 404, 405, 408, 413, 431)
GUARDED = (401, 403, 503)  # 503 too: a token whose tenant's keys can't be fetched
SCORED = (500,)


def document(version: str) -> Json:
    """Return the document of a server of this version."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Visionline", "version": version, "description": DESCRIPTION},
        "security": [{"bearer": []}, {"key": []}, {}],
        "tags": [{"name": name} for name in ("health", "models", "scoring", "model control", "operations")],
        "paths": {**_health(), **_models(), **_scoring(), **_control(), **_operations()},
        "components": {
            "schemas": SCHEMAS,
            "parameters": _parameters(),
            "headers": _headers(),
            "responses": {str(status): _error(status, meaning) for status, meaning in ERRORS.items()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A key, or a token of Entra ID"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _health() -> Json:
    pages = {
        "/v2/health/live": ("serverLive", "Whether the server answers", "Live", ()),
        "/v2/health/ready": ("serverReady", "Whether some model has traffic and the server stays", "Ready", (503,)),
    }
    found: Json = {}
    for path, (name, summary, schema, errors) in pages.items():
        answer = _answer(summary, {JSON: _ref(schema)})
        operation = _operation("health", name, summary, answer, (*ALWAYS, *errors))
        found[path] = {"get": {**operation, "security": []}}
    not_ready = {"description": "Not ready; the body says the same", "content": {JSON: {"schema": _ref("Ready")}}}
    found["/v2/health/ready"]["get"]["responses"]["503"] = not_ready
    return found


def _models() -> Json:
    server = _get("models", "serverMetadata", "What the server is, and which extensions it has", "ServerMetadata")
    found: Json = {"/v2": {"get": server}}
    for path, suffix in ((MODEL, ""), (VERSION, "Version")):
        metadata = _get("models", f"model{suffix}Metadata", "Inputs, outputs and versions", "ModelMetadata")
        ready = _get("models", f"model{suffix}Ready", "Whether it answers; 503 where it does not", "ModelReady")
        found[path] = {"parameters": _path_parameters(path), "get": metadata}
        found[f"{path}/ready"] = {"parameters": _path_parameters(path), "get": ready}
    return found


def _scoring() -> Json:
    found: Json = {}
    for path, suffix in ((MODEL, ""), (VERSION, "Version")):
        found[f"{path}/infer"] = {"parameters": _path_parameters(path), "post": _infer(f"model{suffix}Infer")}
    found["/score"] = {"post": _score()}
    return found


def _infer(name: str) -> Json:
    answer = _answer(
        "The outputs; raw bytes follow the JSON where `binary_data` was asked for",
        {JSON: _ref("InferAnswer"), BINARY: {}},
        ("x-model-version", "inference-header-content-length"),
    )
    operation = _operation(
        "scoring", name, "Score frames: uint8 RGB, [frames, height, width, 3]", answer, (*ALWAYS, *GUARDED, *SCORED)
    )
    headers = ("length", "timeout", "route")
    body = _body({JSON: _ref("InferRequest"), BINARY: {}})
    return {**operation, "parameters": _refs("parameters", headers), "requestBody": body}


def _score() -> Json:
    answer = _answer(
        "The labels, best first; `images` for a form",
        {JSON: {"oneOf": [_ref("Scored"), _ref("ScoredForm")]}},
        ("x-model-version",),
    )
    errors = (*ALWAYS, *GUARDED, *SCORED, 415)
    operation = _operation("scoring", "score", "Score an image file, or several by multipart/form-data", answer, errors)
    headers = ("model_name", "model_version", "top", "side", "timeout", "route")
    body = _body({**dict.fromkeys(IMAGES, {}), "multipart/form-data": _ref("Form")})
    return {**operation, "parameters": _refs("parameters", headers), "requestBody": body}


def _control() -> Json:
    index = _post("repositoryIndex", "The models and versions that are here", "IndexRequest", _ref("Index"))
    load = _post(
        "modelLoad", "Load a version, by default the highest, give it all traffic", "LoadRequest", _ref("Load")
    )
    unload = _post("modelUnload", "Unload all versions, after their last answers", "UnloadRequest", _ref("Unload"))
    path = f"{REPOSITORY}/models/{{model}}"
    return {
        f"{REPOSITORY}/index": {"post": index},
        f"{path}/load": {"parameters": _path_parameters(path), "post": load},
        f"{path}/unload": {"parameters": _path_parameters(path), "post": unload},
    }


def _post(name: str, summary: str, asked: str, answered: Json) -> Json:
    errors = (*ALWAYS, *GUARDED, 504)
    operation = _operation("model control", name, summary, _answer(summary, {JSON: answered}), errors)
    return {**operation, "requestBody": {**_body({JSON: _ref(asked)}), "required": False}}


def _operations() -> Json:
    deployments = _get("operations", "deployments", "What all workers serve, and how far they are", "Deployments")
    openapi = _get("operations", "openapi", "This document", "OpenApi")
    texts = {
        "/metrics": ("metrics", "Metrics of all workers together, for Prometheus", TEXT),
        "/docs": ("docs", "This document as a page to read", HTML),
    }
    found: Json = {"/deployments": {"get": deployments}, "/openapi.json": {"get": openapi}}
    for path, (name, summary, kind) in texts.items():
        answer = _answer(summary, {kind: {"type": "string"}})
        found[path] = {"get": _operation("operations", name, summary, answer, (*ALWAYS, *GUARDED))}
    return found


def _get(tag: str, name: str, summary: str, schema: str) -> Json:
    answer = _answer(summary, {JSON: _ref(schema)})
    return _operation(tag, name, summary, answer, (*ALWAYS, *GUARDED))


def _operation(tag: str, name: str, summary: str, answer: Json, errors: Sequence[int]) -> Json:
    responses = {"200": answer, **{str(status): _one("responses", str(status)) for status in sorted(errors)}}
    return {"tags": [tag], "operationId": name, "summary": summary, "responses": responses}


def _answer(meaning: str, schemas: Mapping[str, Json], headers: Sequence[str] = ()) -> Json:
    answer = {"description": meaning, "content": {kind: {"schema": schema} for kind, schema in schemas.items()}}
    return {**answer, "headers": {name: _one("headers", name) for name in headers}} if headers else answer


def _error(status: int, meaning: str) -> Json:
    headers = {401: "www-authenticate", 405: "allow", 503: "retry-after"}
    return _answer(meaning, {JSON: _ref("Error")}, (headers[status],) if status in headers else ())


def _body(schemas: Mapping[str, Json]) -> Json:
    return {"required": True, "content": {kind: {"schema": schema} for kind, schema in schemas.items()}}


def _path_parameters(path: str) -> list[Json]:
    return _refs("parameters", [name for name in ("model", "version") if f"{{{name}}}" in path])


def _refs(kind: str, names: Sequence[str]) -> list[Json]:
    return [_one(kind, name) for name in names]


def _ref(schema: str) -> Json:
    return _one("schemas", schema)


def _one(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _parameters() -> Json:
    text, count = {"type": "string"}, {"type": "integer", "minimum": 0}
    rows = (
        ("model", "path", "model", text, "The model's name"),
        ("version", "path", "version", text, "The version; without one the traffic's shares choose"),
        ("model_name", "query", "model", text, "The model; needed where several are served and none is the default"),
        ("model_version", "query", "version", text, "The version; without one the traffic's shares choose"),
        ("top", "query", "top", {"type": "integer", "minimum": 1, "default": 10}, "How many of the best labels"),
        (
            "side",
            "query",
            "side",
            {"type": "integer", "minimum": 1},
            "Decode a JPEG no larger than this needs: quicker",
        ),
        ("timeout", "header", "x-request-timeout-ms", {"type": "number", "exclusiveMinimum": 0}, TIMEOUT),
        ("route", "header", "x-route-key", text, "Requests with the same key, as a camera's name, go to one version"),
        ("length", "header", "Inference-Header-Content-Length", count, "Bytes of JSON, where raw tensors follow it"),
    )
    return {
        key: {"name": name, "in": place, "required": place == "path", "schema": schema, "description": meaning}
        for key, place, name, schema, meaning in rows
    }


TIMEOUT = (
    "Milliseconds after which the answer is of no use: what can't be in time is refused at once, with 503; "
    "Envoy's x-envoy-expected-rq-timeout-ms says the same"
)


def _headers() -> Json:
    rows = {
        "x-model-version": ("The version that answered", "string"),
        "inference-header-content-length": ("Bytes of JSON before the raw tensors", "integer"),
        "retry-after": ("Seconds after which to ask again", "integer"),
        "www-authenticate": ("Bearer", "string"),
        "allow": ("The method that is answered", "string"),
    }
    return {name: {"description": meaning, "schema": {"type": kind}} for name, (meaning, kind) in rows.items()}
