"""Runs what depends on each other in order, and side by side what does not. It knows nothing of what it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from threading import Event
from typing import TypeVar

T = TypeVar("T")


def run_graph(before: Mapping[str, Set[str]], run_one: Callable[[str], T], workers: int, stop: Event) -> dict[str, T]:
    """Run each node once, after those that `before` names for it, at most `workers` at once; return the results.

    When one raises, or the user interrupts, `stop` is set, so that those that run can end early; none starts any more,
    and what was raised first is raised again after the last has ended.
    """
    sorter = TopologicalSorter(before)
    sorter.prepare()
    results: dict[str, T] = {}
    running: dict[Future[T], str] = {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            while sorter.is_active():
                running |= {pool.submit(run_one, name): name for name in sorter.get_ready()}
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    results[name] = future.result()
                    sorter.done(name)
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return results
