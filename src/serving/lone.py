"""By which threads a lone request on a slow model is scored: by two where that is seen to be faster, else by one.

Two threads gain where the second core has nothing to do, and lose where it has. So they score only the request of an
endpoint's only client, with nobody waiting beside it; and how fast they are is seen from the first such requests, since
a model is loaded by all workers at once, where two threads can't be compared with one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serving.deployments import Deployment
from serving.model import Model
from serving.work import Work

TRIALS = 8
GAIN = 0.1  # a smaller part of the time is within what a busy machine makes of it, and not worth the other core


@dataclass(eq=False)
class LoneRequests:
    """What one process knows. `has_the_machine`: no other client is connected, to this process or another one."""

    has_the_machine: bool = False

    def model_for(self, batch: Sequence[Work], others_wait: bool) -> Model:
        """Return the model that scores a batch: the deployment's own, or that on two threads."""
        deployment = batch[0].deployment
        model = deployment.model
        assert model is not None  # only ready deployments get work
        is_lone = self.has_the_machine and not others_wait and len(batch) == 1 and batch[0].count == 1
        if is_lone and model.wide is not None and _is_worth_it(deployment, model):
            return model.wide
        return model

    def learn(self, work: Work) -> None:
        """Remember how long two threads took, where one thread was measured on a frame of the same shape."""
        model, known = work.deployment.model, work.deployment.lone_seconds
        if model is None or work.frames is None or work.prediction is None or len(known) == TRIALS:
            return
        if model.curve.frame_shape in (None, work.frames.shape[1:]):
            known.append(work.infer_seconds)


def _is_worth_it(deployment: Deployment, model: Model) -> bool:
    known = deployment.lone_seconds
    return len(known) < TRIALS or min(known) < (1 - GAIN) * model.curve.single()
