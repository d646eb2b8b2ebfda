"""What a training's verdict says to whoever started it: a title, a summary in Markdown with the figures, a link. Pure.

It knows no code host: mlops/adapters/ turn a notice into a check run or a status.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from mlops.policy import in_words
from mlops.ports import Notice
from mlops.evaluation import Evaluation, ModelReport
from mlops.places import AzureML
from mlops.records import Origin, RegisterRecord, Verdict

STUDIO = "https://ml.azure.com/runs"
LONGEST_TITLE = 140  # of a commit status' description on GitHub
LONGEST_SUMMARY = 60_000  # GitHub takes 65,535 characters
WORDS = {"promote": "passed", "reject": "rejected", "error": "could not be judged"}


def notice_of(
    stage: str, registered: RegisterRecord, evaluation: Evaluation | None, origin: Origin, link: str | None
) -> Notice:
    """Return what is told of a training: `link` leads to the job, where there is a page of it."""
    return Notice(
        key=notice_key(registered.model, stage, origin),
        name=f"{registered.model}/{stage}",
        outcome=registered.verdict.outcome,
        title=title_of(registered),
        summary=summary_of(registered, evaluation, link)[:LONGEST_SUMMARY],
        link=link or origin.link,
        tag=tag_of(registered),
    )


def notice_key(model: str, stage: str, origin: Origin) -> str:
    """Return what tells one notice from another at an origin: the same run, or the same commit, is told once."""
    return f"{model}/{stage}/{origin.run or origin.commit}"


def title_of(registered: RegisterRecord) -> str:
    """Return the verdict in one line of at most LONGEST_TITLE characters."""
    what = f"version {registered.version}" if registered.version else "no version"
    line = " ".join(f"{what}: {WORDS[registered.verdict.outcome]}: {registered.verdict.reason}".split())
    return line if len(line) <= LONGEST_TITLE else f"{line[: LONGEST_TITLE - 3].rstrip()}..."


def tag_of(registered: RegisterRecord) -> str:
    """Return a single word for a build: model and version, or model and verdict."""
    return f"{registered.model}-{registered.version or registered.verdict.outcome}"


def summary_of(registered: RegisterRecord, evaluation: Evaluation | None, link: str | None) -> str:
    """Return the verdict, the figures of challenger and champion, and what each rule found, in Markdown."""
    verdict, version = registered.verdict, registered.version
    head = f"**{registered.model}**: " + (f"version {version}" if version else "nothing was registered")
    facts = [("verdict", f"{verdict.outcome}: {verdict.reason}"), ("data version", f"`{registered.data_version}`")]
    facts += [("commit", f"`{registered.git_commit}`")]
    facts += [("digest", f"`{registered.digest}`")] if registered.digest else []
    facts += [("job", f"[{link.partition('?')[0]}]({link})")] if link else []
    parts = [head, _table(("", ""), facts)]
    parts += [_figures(evaluation)] if evaluation else []
    return "\n\n".join([*parts, _rules(verdict)]) + "\n"


def studio_link(azureml: AzureML, job: str) -> str:
    """Return the page of a job in Azure ML's studio."""
    place = f"/subscriptions/{azureml.subscription}/resourcegroups/{azureml.resource_group}"
    return f"{STUDIO}/{quote(job)}?wsid={place}/workspaces/{azureml.workspace}"


def _figures(evaluation: Evaluation) -> str:
    header = ("model", "variant", "accuracy", "worst class", "worst slice", "latency p50 (ms)", "size (KiB)")
    rows = list(_rows("challenger", evaluation.challenger))
    if evaluation.champion:
        rows += _rows(f"champion, version {evaluation.champion.version}", evaluation.champion)
    return f"{evaluation.test_set.images} test images, {evaluation.device_class}:\n\n{_table(header, rows)}"


def _rows(name: str, model: ModelReport) -> Iterable[tuple[str, ...]]:
    for variant, report in model.variants.items():
        latency, size = f"{report.latency_ms_p50:.3f}", f"{report.bytes / 1024:.1f}"
        yield name, variant, f"{report.accuracy:.4f}", _worst(report.per_class), _worst(report.slices), latency, size


def _worst(shares: dict[str, float]) -> str:
    if not shares:
        return "-"
    name = min(shares, key=lambda one: shares[one])
    return f"{shares[name]:.4f} ({name})"


def _rules(verdict: Verdict) -> str:
    return _table(("rule", "outcome", "reason"), [(rule.rule, in_words(rule), rule.reason) for rule in verdict.rules])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows] if rows else []
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
