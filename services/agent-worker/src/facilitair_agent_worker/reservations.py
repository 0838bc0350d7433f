"""No call that could cost more than was set aside for it (R26)."""

from facilitair_agent_worker.errors import AttemptFaultError
from facilitair_agent_worker.estimates import Estimates
from facilitair_agent_worker.prompts import Prepared
from facilitair_events.requests import Fault
from facilitair_events.work import RunAttempt
from facilitair_workflows.bounds import most_usd, output_tokens


def check_reservation(
    task: RunAttempt, prepared: Prepared, *, estimates: Estimates, at_ms: int
) -> None:
    """Raises AttemptFaultError with what the call needs, when that is more than was reserved.

    The prompt is rendered now, so its tokens can be counted: the reducer knew only sizes.
    """
    if task.reserved_usd is None:
        return
    model, request = prepared.model, prepared.request
    needed = most_usd(
        model,
        input_tokens=estimates.most_input(request, model=model),
        output_tokens=output_tokens(request.max_output_tokens, model),
        at_ms=at_ms,
    )
    if needed is None or needed <= task.reserved_usd:
        return
    message = (
        f"the call may cost up to {needed.normalize():f} USD,"
        f" and {task.reserved_usd.normalize():f} USD were set aside"
    )
    fault = Fault(code="reservation_short", message=message, retryable=True)
    raise AttemptFaultError(fault=fault, needed_usd=needed)
