"""Who makes the inputs: atheris, which is led by what they reach, or hypothesis, or plain chance."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random

from fuzz.mutation import mutated, mutations
from fuzz.trial import Finding, Trial

INSTRUMENTED = ["serving", "multipart", "PIL.ImageFile", "PIL.PngImagePlugin", "PIL.WebPImagePlugin"]
HANG_SECONDS = 60
ROUND = 500  # hypothesis remembers all examples of a round


def by_chance(trial: Trial) -> None:
    """Feed random mutations of the seeds, the same ones each time. Raises Finding."""
    target = trial.target
    for data in mutations(target.seeds, target.words, target.longest, Random(trial.target.name)):
        trial(data)
        if trial.is_done:
            return


def by_hypothesis(trial: Trial) -> None:
    """Feed what hypothesis makes of the seeds; a finding is shrunk. Raises Finding."""
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis import strategies as st

    options = settings(
        max_examples=ROUND,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    target = trial.target

    def feed(random: Random) -> None:
        trial(mutated(target.seeds, target.words, random)[: target.longest])

    while not trial.is_done:
        seed(trial.count)(options(given(st.randoms(use_true_random=False))(feed)))()


def by_atheris(trial: Trial) -> None:
    """Feed what atheris finds to reach something new. It ends the process: 0, or 1 after the finding on stdout."""
    import atheris

    def feed(data: bytes) -> None:
        try:
            trial(data)
            if trial.is_done:
                trial.check_memory()
                _end(trial.summary(), 0)
        except Finding as finding:
            traceback.print_exc()
            _end(f"found: {finding}", 1)

    with tempfile.TemporaryDirectory() as folder:
        atheris.Setup([sys.argv[0], *_libfuzzer_options(trial, Path(folder))], feed)
        atheris.Fuzz()


def _libfuzzer_options(trial: Trial, folder: Path) -> list[str]:
    target, corpus, words = trial.target, folder / "corpus", folder / "words"
    corpus.mkdir()
    for number, content in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(content)
    quoted = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.words)
    words.write_text("".join(f'"{word}"\n' for word in quoted), encoding="ascii")
    trial.folder.mkdir(parents=True, exist_ok=True)
    options = {
        "runs": -1,
        "seed": 1,
        "max_len": target.longest,
        "timeout": HANG_SECONDS,
        "verbosity": 0,
        "rss_limit_mb": 0,
        "artifact_prefix": f"{trial.folder}/{target.name}-",
    } | ({"dict": words} if target.words else {})
    return [*(f"-{name}={value}" for name, value in options.items()), str(corpus)]


def _end(line: str, code: int) -> None:
    print(line, flush=True)
    os._exit(code)  # libFuzzer has no other end than a crash


ENGINES: dict[str, Callable[[Trial], None]] = {
    "atheris": by_atheris,
    "hypothesis": by_hypothesis,
    "chance": by_chance,
}


def best_engine() -> str:
    """Return atheris where it is installed, hypothesis elsewhere."""
    return "atheris" if importlib.util.find_spec("atheris") else "hypothesis"
