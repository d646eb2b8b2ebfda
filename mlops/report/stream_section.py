"""The section on the video stream: how often it was right, how it kept up, frame by frame, with annotated frames."""

from __future__ import annotations

from base64 import b64encode

from mlops.report import words
from mlops.report.collect import ModelRun, Prediction, Stream, StreamFigures
from mlops.report.layout import badge, chart, facts, legend, pairs, section
from mlops.report.markup import Markup, element
from mlops.report.timecharts import frames_strip
from mlops.report.view import View


def stream_section(view: View) -> Markup | None:
    """Return what was said of a video, frame by frame, with annotated frames."""
    stream = view.run.stream
    if stream is None:
        return None
    one = stream.figures
    known = [(one.accuracy, "of the frames right"), (one.item_accuracy, f"of {one.items} items right")]
    figures = [(words.percent(share), name) for share, name in known if share is not None]
    figures += [(words.count(one.frames), "frames"), (f"{one.fps:.0f}", "frames a second")]
    by = next((f"version {m.version}" for m in view.run.models if _digest(m) == one.digest), one.digest)
    lead = f"Scored by {by}, {one.variant}, {words.milliseconds(one.ms_p50)} a frame (median)."
    predictions = stream.predictions
    strip = chart(lambda width: frames_strip(predictions, width)) if predictions else None
    key = legend([("right", "right"), ("wrong", "wrong"), ("idle", "no item in sight")]) if predictions else None
    return section("Video stream", lead, facts(figures), pairs(_load(one)), key, strip, _gallery(stream))


def _load(one: StreamFigures) -> list[tuple[str, str]]:
    """Return how the streams that ran at once were kept up with."""
    shed = ", ".join(f"{words.count(count)} {reason}" for reason, count in sorted(one.shed.items()) if count)
    bound = f" of {words.milliseconds(one.age_bound_ms)} allowed" if one.age_bound_ms is not None else ""
    capacity = words.DASH if one.capacity_fps is None else f"{words.count(round(one.capacity_fps))} frames a second"
    return [
        ("Streams at once", words.count(one.streams)),
        ("Age of a result (p99)", words.milliseconds(one.age_ms_p99) + bound),
        ("Frames shed", shed or "none"),
        ("Capacity", capacity),
        ("Scorers busy", words.percent(one.busy, 0)),
    ]


def _digest(model: ModelRun) -> str | None:
    return model.registration.digest if model.registration else None


def _gallery(stream: Stream) -> Markup | None:
    said = {one.frame: one for one in stream.predictions}
    figures = (_figure(number, path.read_bytes(), said.get(number)) for number, path in stream.pictures.items())
    return element("div", *figures, class_="gallery") if stream.pictures else None


def _figure(number: int, jpeg: bytes, said: Prediction | None) -> Markup:
    source = f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"
    picture = element("img", src=source, alt=_said(number, said), loading="lazy")
    mark = badge("promote" if said.label == said.truth else "reject", said.label) if said and said.truth else None
    truth = f"is {said.truth}" if said and said.truth and said.truth != said.label else None
    caption = element("figcaption", f"{number} ", mark, truth)
    return element("figure", picture, caption)


def _said(number: int, said: Prediction | None) -> str:
    if said is None:
        return f"Frame {number}"
    truth = "" if said.truth is None else ", which is right" if said.truth == said.label else f"; it is {said.truth}"
    return f"Frame {number}: {said.label}, {words.percent(said.score, 0)}{truth}"
