"""What Azure ML's own SDK says of the files, beside our rules. Where both name a line, ours says what to do.

The SDK refuses a file again in each file that names it, and then often at no line. Only the innermost is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mlops.lint.document import Document
from mlops.lint.finding import Finding
from mlops.lint.kinds import KINDS
from mlops.lint.parts import as_mapping
from mlops.ports import Objection, Validator

ADVICE = "correct it as Azure ML's SDK wants it"
# Keys whose value names another file.
NAMES_ANOTHER = ("component", "trial", "create_job", "job")


def findings(documents: Sequence[Document], validator: Validator, ours: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the SDK's objections to what no rule of ours has spoken of."""
    lines = {(one.file, one.line) for one in ours}
    wrong = {one.file for one in ours}
    named = _named(documents)
    for document in sorted(documents, key=lambda one: len(named[one.name])):
        for objection in _objections(document, validator):
            one = document.finding(objection.keys, _text(objection))
            is_repeated = _leads_out(document, objection.keys) and wrong & {one.file, *named[one.file]}
            if is_repeated or (one.file, one.line) in lines:
                continue
            wrong.add(one.file)
            yield one


def _objections(document: Document, validator: Validator) -> list[Objection]:
    if document.kind not in KINDS:
        return []
    return validator.objections(document.path, document.kind, document.content.get("type"))


def _leads_out(document: Document, keys: Sequence[str]) -> bool:
    """Tell whether keys end where a file has nothing, or the name of another file."""
    inner: Any = document.content
    for key in keys[:-1]:
        inner = as_mapping(inner).get(key)
    return not keys or keys[-1] in NAMES_ANOTHER or not isinstance(inner, Mapping | list)


def _text(objection: Objection) -> str:
    where = f"{'.'.join(objection.keys)}: " if objection.keys else ""
    return f"{where}{objection.text.rstrip('.')}: {ADVICE}"


def _named(documents: Sequence[Document]) -> Mapping[str, set[str]]:
    """Return for each file those that it names, and those that they name."""
    direct = {one.name: {other.name for other in documents if _mentions(one, other)} for one in documents}
    return {name: _reached(name, direct) - {name} for name in direct}


def _mentions(document: Document, other: Document) -> bool:
    return other is not document and other.path.name in document.text


def _reached(name: str, direct: Mapping[str, set[str]]) -> set[str]:
    reached, waiting = set[str](), [name]
    while waiting:
        one = waiting.pop()
        if one not in reached:
            reached.add(one)
            waiting.extend(direct[one])
    return reached
