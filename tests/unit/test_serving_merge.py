"""Several workers' reports become one: what only one of them has done is not done."""

from __future__ import annotations

from typing import Any

from serving.deployments import Deployment, Endpoint, ServedModel
from serving.desired import Declared
from serving.merge import carry_counts, counts_of, known_counts, merge_reports, sum_counts
from serving.traffic import Traffic

MODEL: Any = object()  # nobody predicts here


def worker(observed: int = 3, shares: tuple[int, int] = (90, 10), **changes: Any) -> Endpoint:
    """Return a worker with two ready versions, of which the first has answered 5 requests, and changes to it."""
    one, two = (Deployment(v, Declared(f"/{v}", "sha256:0", "int8"), MODEL) for v in ("1", "2"))
    one.requests, one.errors = 5, 1
    one.counters.success, one.counters.shed["overload"] = 4, 2
    served = ServedModel("m", [one, two], Traffic(((one, shares[0]), (two, shares[1]))))
    for name, value in changes.items():
        setattr(two, name, value)
    return Endpoint({"m": served}, observed)


def merged(*workers: Endpoint) -> dict[str, Any]:
    """Return one report of them all."""
    return merge_reports([one.report() for one in workers])


def test_one_worker_s_report_is_the_report() -> None:
    assert merged(worker()) == worker().report()


def test_counts_are_summed_and_the_least_generation_is_told() -> None:
    report = merged(worker(), worker(observed=2))
    first = report["models"]["m"]["deployments"]["1"]
    assert (report["observed_generation"], first["requests"], first["errors"]) == (2, 10, 2)
    assert (first["counters"]["success"], first["counters"]["shed"]["overload"]) == (8, 4)


def test_a_version_is_ready_where_all_are_and_failed_where_any_is() -> None:
    loading, failed = worker(model=None), worker(model=None, reason="it is broken")
    for workers, state in (((worker(), loading), "loading"), ((loading, failed), "failed"), ((worker(),), "ready")):
        assert merged(*workers)["models"]["m"]["deployments"]["2"]["state"] == state
    assert merged(worker(), failed)["models"]["m"]["deployments"]["2"]["reason"] == "it is broken"


def test_a_model_or_version_that_a_worker_does_not_know_yet_is_loading() -> None:
    behind = worker()
    behind.models["m"].deployments.pop()
    assert merged(worker(), behind)["models"]["m"]["deployments"]["2"]["state"] == "loading"
    assert merged(Endpoint(), worker())["models"]["m"]["deployments"]["1"]["state"] == "loading"


def test_traffic_that_only_some_workers_have_moved_is_told_as_it_is() -> None:
    report = merged(worker(shares=(100, 0)), worker(shares=(50, 50)))
    assert report["models"]["m"]["traffic"] == {"1": 75, "2": 25}


def test_a_shadow_is_told_once_all_have_it() -> None:
    shadowing = worker()
    shadowing.models["m"].shadow = shadowing.models["m"].deployments[1]
    assert merged(shadowing, shadowing)["models"]["m"]["shadow"] == "2"
    assert merged(shadowing, worker())["models"]["m"]["shadow"] is None


def test_the_first_error_is_told_and_no_worker_has_observed_nothing() -> None:
    troubled = worker()
    troubled.error = "it is not JSON"
    assert merged(worker(), troubled)["error"] == "it is not JSON"
    assert merge_reports([]) == {"observed_generation": 0, "error": None, "models": {}}


def test_what_an_ended_worker_had_counted_is_carried_on_once_and_its_state_is_not() -> None:
    ended, others = worker(model=None, reason="it is broken", in_flight=3), [worker(), worker()]
    ended.models["m"].deployments[0].counters.pending = 7
    carried = carry_counts([one.report() for one in others], counts_of(ended.report()))
    one, two = merge_reports(carried)["models"]["m"]["deployments"].values()
    assert (one["requests"], one["errors"], one["counters"]["success"]) == (15, 3, 12)
    assert (one["counters"]["shed"]["overload"], one["counters"]["pending"]) == (6, 0)
    assert (two["state"], two["in_flight"], two["reason"]) == ("ready", 0, None)


def test_with_nothing_to_carry_reports_are_as_they_were() -> None:
    reports = [worker().report(), worker().report()]
    assert carry_counts(reports, {}) == reports
    assert carry_counts([Endpoint().report()], counts_of(worker().report())) == [Endpoint().report()]


def test_counts_are_carried_by_whoever_knows_the_version_and_let_go_of_where_nobody_does() -> None:
    behind, counts = worker(), sum_counts([counts_of(worker().report()), counts_of(worker().report())])
    behind.models["m"].deployments.pop(0)
    carried = carry_counts([behind.report(), worker().report()], counts)
    assert carried[0] == behind.report()
    assert carried[1]["models"]["m"]["deployments"]["1"]["requests"] == 15
    assert set(known_counts(counts, [behind.report()])) == {("m", "2")}
