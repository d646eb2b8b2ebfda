"""What Azure ML's own SDK says of the files, beside our rules. Where both name a line, ours says what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlops.lint.document import Document
from mlops.lint.finding import Finding
from mlops.lint.kinds import KINDS
from mlops.ports import Validator

ADVICE = "correct it as Azure ML's SDK wants it"


def findings(documents: Sequence[Document], validator: Validator, ours: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the SDK's objections to lines of which no rule of ours has said anything."""
    said = {(one.file, one.line) for one in ours}
    # A file that is wrong is refused again in each file that names it: only the innermost is shown.
    wrong = {one.file for one in ours}
    for document in sorted(documents, key=_innermost_first):
        for one in _of(document, validator) if document.kind in KINDS else ():
            if (one.file, one.line) in said or _names(document, wrong - {document.name}):
                continue
            wrong.add(one.file)
            yield one


def _of(document: Document, validator: Validator) -> Iterator[Finding]:
    for objection in validator.objections(document.path, document.kind, document.content.get("type")):
        keys = objection.keys
        where = f"{'.'.join(keys)}: " if keys else ""
        yield document.finding(keys, f"{where}{objection.text.rstrip('.')}: {ADVICE}")


def _innermost_first(document: Document) -> tuple[int, str]:
    order = ("Component", "environment", "Job")
    rank = next((number for number, end in enumerate(order) if document.kind.endswith(end)), len(order))
    return rank, document.name


def _names(document: Document, files: set[str]) -> bool:
    """Tell whether a document names one of some files by its path."""
    return any(file.rpartition("/")[2] in document.text for file in files)
