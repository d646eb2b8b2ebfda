"""The API's document: valid OpenAPI 3.1, of just the pages that there are; and the page made of it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from openapi_spec_validator import validate
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

from serving.docs_page import docs_page
from serving.openapi import document
from serving.routes import ROUTES


def operations(described: dict[str, Any]) -> set[tuple[str, str]]:
    """Return the methods and paths of a document."""
    return {
        (method.upper(), path) for path, item in described["paths"].items() for method in item if method != "parameters"
    }


def references(value: Any) -> set[str]:
    """Return all that a document refers to."""
    if isinstance(value, dict):
        own = {value["$ref"]} if "$ref" in value else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list | tuple) else set()


def test_the_document_is_valid() -> None:
    validate(document("1.2.3"))
    assert document("1.2.3")["info"]["version"] == "1.2.3"


def test_the_validator_refuses_a_broken_document() -> None:
    broken = document("1.2.3")
    del broken["info"]["title"]

    with pytest.raises(OpenAPIValidationError):
        validate(broken)


def test_every_page_is_described_and_every_described_page_exists() -> None:
    assert operations(document("1")) == {(route.method, route.path) for route in ROUTES}


def test_every_reference_leads_somewhere_and_nothing_is_described_in_vain() -> None:
    described = document("1")
    parts = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "parameters", "headers", "responses")
        for name in described["components"][kind]
    }

    assert references(described) == parts


def test_every_name_in_a_path_is_a_parameter_of_it() -> None:
    described = document("1")
    for path, item in described["paths"].items():
        names = [one["$ref"].rsplit("/", 1)[1] for one in item.get("parameters", [])]
        assert names == re.findall(r"{(\w+)}", path)


def test_only_health_needs_no_key() -> None:
    described = document("1")
    open_paths = [path for path, item in described["paths"].items() if item.get("get", {}).get("security") == []]

    assert open_paths == ["/v2/health/live", "/v2/health/ready"]
    assert {} in described["security"]  # a server may have no keys at all


class Page(HTMLParser):
    """What a page holds: tags in balance, identifiers, links, and what it would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.identifiers: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        values = dict(attributes)
        self.tags.add(tag)
        self.identifiers += [values["id"] or ""] if "id" in values else []
        self.links += [values[name] or "" for name in ("href", "src") if name in values]

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data


def read(page: bytes) -> Page:
    """Read a page."""
    parser = Page()
    parser.feed(page.decode())
    return parser


def test_the_page_shows_every_operation_and_loads_and_runs_nothing() -> None:
    page = read(docs_page(document("1.2.3")))

    assert all(route.path in page.text for route in ROUTES)
    assert "1.2.3" in page.text
    assert not page.tags & {"script", "link", "img", "iframe", "object"}
    assert {link for link in page.links if not link.startswith("#")} == {"/openapi.json"}


def test_every_link_within_the_page_leads_somewhere_and_no_identifier_comes_twice() -> None:
    page = read(docs_page(document("1")))

    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.identifiers)
    assert len(page.identifiers) == len(set(page.identifiers))


def test_the_page_shows_text_as_text() -> None:
    described = document("<script>alert(1)</script>")

    assert "script" not in read(docs_page(described)).tags
