"""The page shows what the run holds, makes nothing up, escapes all of it, and asks nothing of a network."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_runs import CARD, FAILED, QUALITY, STARTED, write_demo, write_model

from mlops.loading import write_json
from mlops.records import DeployRecord, RegisterRecord, Verdict, read_record, write_record
from mlops.report.card import render
from mlops.report.collect import collect
from mlops.report.page import render_page
from mlops.report.story import fates, headline, life_of, shown_model, spans
from mlops.report.view import view

SECTIONS = [
    "The model's life",
    "Accuracy",
    "Confusion",
    "fp32 against int8",
    "What a camera meets",
    "Gates",
    "Traffic",
    "Video stream",
    "Rollback",
    "Model card",
    "Where it comes from",
]
NASTY = "<img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """Collects headings, pictures and what would be loaded, and checks that elements close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.alts: list[str | None] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what the element loads."""
        given = dict(attrs)
        self.loads += [str(given[name]) for name in ("src", "href", "srcset", "data", "action") if name in given]
        if tag == "img":
            self.alts.append(given.get("alt"))
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that the element that was opened last is the one that ends."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note the text of a heading."""
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def page_of(run: Path) -> str:
    """Return the page of a run."""
    return render_page(view(collect(run), "int8"))


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """Return the folder of a demo's run."""
    return write_demo(tmp_path / "demo", requests=400)


def test_a_demo_has_every_section(demo: Path) -> None:
    page = Page(page_of(demo))
    assert page.headings == SECTIONS
    assert page.open == []


def test_the_page_asks_nothing_of_a_network(demo: Path) -> None:
    text = page_of(demo)
    page = Page(text)
    assert len(page.loads) == 8 and all(address.startswith("data:image/jpeg;base64,") for address in page.loads)
    assert "http:" not in text and "https:" not in text and "@import" not in text and "url(" not in text
    assert "<script" not in text and "default-src &#x27;none&#x27;" in text


def test_every_picture_says_what_it_shows(demo: Path) -> None:
    text = page_of(demo)
    assert "Frame 162: T-shirt/top, 61\N{NO-BREAK SPACE}%; it is Shirt" in Page(text).alts
    assert all(Page(text).alts)
    assert text.count("<svg") == text.count('role="img"') > 0


def test_the_stream_section_says_how_the_streams_were_kept_up_with(demo: Path) -> None:
    text = page_of(demo).replace("\N{NO-BREAK SPACE}", " ")
    for words in ("11.2 ms of 80 ms allowed", "3 stale", "frames a second", "Scorers busy"):
        assert words in text
    assert "0 overload" not in text


GONE = {
    "load.jsonl": {"Traffic"},
    "stream": {"Video stream"},
    "rollback.production.json": {"Rollback"},
    "v*/outputs": {*SECTIONS[1:5], "Model card"},
    "v*/train.json": {*SECTIONS[1:5], "Model card"},
    "v*/register.json": {"Where it comes from"},
}


@pytest.mark.parametrize("absent", GONE)
def test_a_section_without_its_input_is_left_out(demo: Path, absent: str) -> None:
    for path in demo.glob(absent):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert Page(page_of(demo)).headings == [name for name in SECTIONS if name not in GONE[absent]]


def test_a_run_that_only_trained_has_no_canary(tmp_path: Path) -> None:
    write_model(tmp_path, 1, None)
    for record in tmp_path.glob("deploy.*.json"):
        record.unlink()
    text = page_of(tmp_path)
    assert not {"Traffic", "Video stream", "Rollback"} & set(Page(text).headings)
    assert "canary" not in text and "champion" not in text


def test_the_model_that_is_shown_was_released_and_had_a_champion(demo: Path) -> None:
    shown = shown_model(collect(demo))
    assert shown and shown.version == 2


def test_without_a_champion_the_last_evaluated_model_is_shown(tmp_path: Path) -> None:
    for version in (1, 2):
        write_model(tmp_path / f"v{version}", version, None)
    shown = shown_model(collect(tmp_path))
    assert shown and shown.version == 2


def test_what_became_of_each_version_is_told(demo: Path) -> None:
    run = collect(demo)
    assert (headline(run).title, headline(run).tone) == ("Version 1 serves production", "good")
    assert [(fate.title, fate.tone) for fate in fates(run)] == [
        ("Version 1", "good"),
        ("Version 2", "turned"),
        ("Version 3", "bad"),
    ]
    assert "2 of 3 live requests failed" in fates(run)[2].words


def test_a_model_that_was_held_back_says_why(tmp_path: Path) -> None:
    write_model(tmp_path, 1, None)
    for record in [*tmp_path.glob("deploy.*.json"), *tmp_path.glob("promote.*.json")]:
        record.unlink()
    held = read_record(tmp_path, "register", RegisterRecord)
    verdict = Verdict("reject", "floor: accuracy 0.6 is below 0.8", QUALITY.rules)
    write_record(tmp_path, "register", replace(held, version=None, digest=None, verdict=verdict))
    text = page_of(tmp_path)
    assert headline(collect(tmp_path)).tone == "bad"
    assert text.count("floor: accuracy 0.6 is below 0.8") >= 2 and "The candidate" in text


def test_a_models_life_goes_from_data_to_rollback(demo: Path) -> None:
    run = collect(demo)
    stations = [station.name for station in life_of(run, run.models[1])]
    job = ["prepare", "train", "export", "evaluate", "register"]
    assert stations == ["data", *job, "dev", "qa", "production", "rollback"]
    notes = [station.note for station in life_of(run, run.models[1])]
    assert notes[1] == "reused" and notes[-2:] == ["canary 10, 50, 100\N{NO-BREAK SPACE}%", "to version 1"]


def test_acts_follow_each_other_in_the_order_in_which_they_were_played(demo: Path) -> None:
    laid = spans(collect(demo))
    assert [span.name for span in laid[:3]] == ["data v1", "train v1", "make the clip"]
    assert [span.name for span in laid[-5:-3]] == ["roll back v2", "verify production"]
    assert [span.name for span in laid[-3:]] == ["publish a batch", "score the batch", "clients stop"]
    assert [span.start for span in laid] == sorted(span.start for span in laid)
    assert [span.lane for span in laid[1:3]] == ["v1", ""]


def test_the_moves_of_traffic_and_the_rollback_are_marked(demo: Path) -> None:
    text = page_of(demo)
    moments = re.search(r'<ol class="moments">(.*?)</ol>', text, re.DOTALL)
    assert moments and moments[1].count("<li>") == 6
    order = [
        "10 % to version 2",
        "50 %",
        "100 %",
        "10 % to version 3",
        "traffic back to 2",
        "the last answer of version 2",
    ]
    places = [moments[1].index(words) for words in order]
    assert places == sorted(places)


def test_minutes_of_nothing_do_not_squeeze_the_canary_and_are_told(demo: Path) -> None:
    log = (demo / "load.jsonl").read_text()
    quiet = "".join(f'{{"t": {STARTED - at}, "ms": 1.0, "status": 200, "version": 1}}\n' for at in range(600))
    (demo / "load.jsonl").write_text(quiet + log)
    told = re.search(r"Requests not drawn: (\d+) before \(v1: (\d+)\)", page_of(demo))
    assert told and (told[1], told[2]) == ("600", "600")


def test_requests_that_failed_outside_the_picture_are_told(demo: Path) -> None:
    lost = f'{{"t": {STARTED}, "ms": 1.0, "status": 0, "version": null}}\n'
    (demo / "load.jsonl").write_text(lost + (demo / "load.jsonl").read_text())
    assert "Requests not drawn: 1 before (failed: 1)" in page_of(demo)


def test_labels_reasons_and_names_are_shown_not_run(tmp_path: Path) -> None:
    run = write_demo(tmp_path / "demo", requests=40)
    path = run / "v2" / "outputs" / "package"
    path.joinpath("evaluation.json").write_text(
        path.joinpath("evaluation.json").read_text().replace("T-shirt/top", NASTY)
    )
    path.joinpath("MODEL_CARD.md").write_text(f"# {NASTY}\n\n- {NASTY}\n\n| {NASTY} |\n| --- |\n| `{NASTY}` |\n")
    record = read_record(run / "v3", "deploy.production", DeployRecord)
    write_record(run / "v3", "deploy.production", replace(record, verdict=replace(FAILED, reason=NASTY)))
    lines = (run / "stream" / "predictions.jsonl").read_text().replace("T-shirt/top", NASTY)
    (run / "stream" / "predictions.jsonl").write_text(lines)
    text = page_of(run)
    assert "<img src=x" not in text
    assert text.count("&lt;img src=x onerror=alert(1)&gt;") > 8


def test_fewer_variants_slices_and_labels_leave_out_what_they_would_show(tmp_path: Path) -> None:
    judged = write_model(tmp_path, 2, 1)
    fp32 = replace(judged.challenger.variants["fp32"], slices={}, confusion=(), accuracy_interval=())
    bare = replace(judged.challenger, variants={"fp32": fp32}, parity={})
    other = replace(judged, challenger=bare, champion=None)
    write_json(tmp_path / "outputs" / "package" / "evaluation.json", other)
    headings = Page(page_of(tmp_path)).headings
    assert "Accuracy" in headings and not set(SECTIONS[2:5]) & set(headings)


def test_a_model_card_is_rendered() -> None:
    html = render(CARD)
    assert "<h3>Model card: fashion</h3><h4>Details</h4>" in html
    assert "<li>Served variant: int8, of which the rest stands on a second line</li>" in html
    assert "<td><code>0.9</code> or more, a | b</td>" in html
    assert Page(html).open == []
