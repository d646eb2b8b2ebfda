"""What the page says in whole sentences: what is simulated and how, so that a reader can judge the figures."""

from __future__ import annotations

INTRODUCTION = """# Autoscaling, simulated

Made by `make benchmark-autoscaling`; do not edit. Cameras of many sites send frames; each site has a fleet of
replicas of its own, and a rule that scales it. The simulation goes second by second; frames within a second flow
evenly, and a test holds that against a queue played frame by frame. What to make of it stands in [choosing a
path](../choosing-a-path.md).

- **The queue** is the edge runtime's: a frame that would wait longer than 1 s for its turn is refused (`--max-wait`).
  Nothing is scored late at the cost of what is fresh. Where no replica is ready, a frame waits at its sender, which
  keeps the newest second. Frames that are refused or too old are **lost**.
- **A replica** is one core. One that is wanted starts, is ready after the start time, and costs from its beginning.
- **Steady**: 3 frames a second of every stream. **Bursty**: one frame a second; at each site a crowd an hour on
  average, for some four minutes, in which every stream sends five, within 15 s. **Day and night**: nothing at night
  but somebody who walks past, up to 3 frames a second at noon, crowds; one site in five stays closed. Arrivals are
  Poisson around that.
- **Fixed**: sized for the trace's mean or peak at 80 % busy, known in advance, which nobody does. **HPA**:
  Kubernetes' rule, every 15 s, on readings 15 s old, tolerance 0.1, down after 300 s, up by 100 % or 4 in 15 s.
  **KEDA**: from and to zero when it polls, above one an HPA on the lag, that is on frames without a result, those
  being scored among them. **Azure ML's router**: (busy replicas + queued requests) / replicas at 70 %, up after 1 s,
  down after 60 s, 0.5 s in its queue. On one core a replica CPU and busy time are the same; an HPA on CPU alone has
  the usual 70 %, as the metrics server reads it, busy time beside frames waiting its average over a minute, as from
  Prometheus. Sources stand in `benchmarks/autoscaling/rules.py`."""

CROWD = """## One crowd

Twenty streams of one site; after five minutes a crowd comes for six."""

SETTINGS = """## Where the defaults come from

HPA's settings are tried on both metrics together, on steady and bursty; KEDA's on bursty and from midnight to ten of
day and night; one after the other, those before at their best. Cost is replica-hours, and for each frame that is lost
or later than 0.5 s the time that scoring 30 frames takes: a frame is worth more than its scoring, or nobody would
score it. The most replicas are tried on 500 streams of 25 sites, to see what too few cost; the default is what a crowd
at the largest of all sites takes at 80 % busy."""

STARTS = """## Slower starts

The bursty trace of the settings with replicas that take longer: 30 s where a node has to pull the image, 60 s and 180
s where the cluster's autoscaler has to start a node first."""

LIMITS = """## What this does not show

- It is a simulation, of figures that were measured on two cores of a shared machine, and of crowds that were made up.
  The order of the rules follows from how they work; the third digit does not.
- One pool a site: connections that stick to a replica, or a balancer that does not know who is busy, lose more.
- Readings are 15 s old for HPA and KEDA. A query over the last minute, or a scrape every minute, is slower than this.
- The router is simulated as documented, not as observed. "Around 1 second" is taken as each second.
- Replicas end at once and without a loss, nodes have room up to `max_replicas`, and no pod is evicted."""
