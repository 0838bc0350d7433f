"""What happened to workers in the shortest failing histories of the model of calls, step by step.

Each begins with two workers, of which ``one`` owns the partition. What is left undone at the end of
one is done by ``world.finish``.
"""

from importlib import import_module
from typing import Any

from facilitair_agent_worker.claims import Claim
from facilitair_agent_worker.ledger import AttemptKey
from facilitair_agent_worker.prompts import prepare
from facilitair_events.requests import CallReported
from facilitair_events.text import inline
from facilitair_testing.inbox import call_reported

worlds: Any = import_module("services.agent-worker.tests.world")
workers: Any = import_module("services.agent-worker.tests.workers")
settle, drain, advance = worlds.settle, worlds.drain, worlds.advance
KEY = AttemptKey(workers.TASK, 1)


async def scene() -> tuple[Any, Any, Any]:
    """A world, the owner of its partition, and another worker."""
    world = worlds.World()
    one, two = await world.start(), await world.start()
    await world.move(one)
    return world, one, two


async def pass_leases(world: Any) -> None:
    """More than a lease of ticks."""
    for _ in range(6):
        await advance(world)


async def calling(world: Any, one: Any) -> None:
    """``one`` takes the task, claims it, reads that back and sends the request."""
    one.take()
    await settle()
    one.land()
    one.catch_up()
    await settle()
    assert sum(world.requests.values()) == 1


async def dies_before_its_claim_is_in_the_log(world: Any, one: Any, two: Any) -> None:
    one.take()
    await settle()
    await one.end()
    await world.move(two)


async def an_owner_wakes_up_that_has_not_read_the_renewals(world: Any, one: Any, two: Any) -> None:
    await calling(world, one)
    await world.move(two)
    two.halt()
    for _ in range(4):
        await advance(world)
    two.stopped = False
    two.fire()
    await settle()


async def both_take_the_task_before_a_claim_is_read(world: Any, one: Any, two: Any) -> None:
    one.take()
    await world.move(two)
    two.take()
    await settle()
    one.land()
    one.catch_up()
    await settle()
    two.land()
    two.catch_up()
    await settle()


async def dies_between_result_and_done(world: Any, one: Any, two: Any) -> None:
    await calling(world, one)
    one.answer()
    await settle()
    one.land()
    await settle()
    await one.end()
    await world.move(two)


async def works_for_long_while_another_owns(world: Any, one: Any, two: Any) -> None:
    await calling(world, one)
    await world.move(two)
    await pass_leases(world)


async def is_stopped_before_its_request(world: Any, one: Any, two: Any) -> None:
    one.take()
    await settle()
    one.land()
    one.halt()
    await world.move(two)
    await pass_leases(world)
    one.stopped = False
    one.read_one()  # its own claim, and not yet what came behind it
    await settle()


async def answers_when_its_attempt_is_closed(world: Any, one: Any, two: Any) -> None:
    await calling(world, one)
    one.halt()
    await world.move(two)
    await pass_leases(world)
    one.stopped = False
    one.answer()
    await settle()
    await drain(world)


async def dies_with_the_call_told_and_the_attempt_not(world: Any, one: Any, two: Any) -> None:
    await calling(world, one)
    one.answer()
    await settle()
    one.write(1)
    await one.end()
    await world.move(two)


async def dies_with_its_claim_in_the_log(world: Any, one: Any, two: Any) -> None:
    one.take()
    await settle()
    one.land()
    await one.end()
    await world.move(two)


async def is_too_late_and_says_so(world: Any, one: Any, _two: Any) -> None:
    one.take()
    await settle()
    one.land()
    one.halt()
    await advance(world)
    await advance(world)


async def is_too_late_and_dies_before_it_says_so(world: Any, one: Any, two: Any) -> None:
    await is_too_late_and_says_so(world, one, two)
    one.stopped = False
    one.catch_up()
    await settle()
    one.land()
    await one.end()
    await world.move(two)


async def claimed(world: Any, one: Any, *, index: int) -> Claim | None:
    """The worker makes one call per attempt as yet; what it claims with can claim the next."""
    claiming = one.group.create_task(one.claims.claim(KEY, index=index, cause=workers.CAUSE))
    await settle()
    await drain(world)
    claim: Claim | None = await claiming
    return claim


async def first_of_two_calls(world: Any, one: Any) -> None:
    """What a worker writes that goes on to a second call: the first is done, the attempt is not."""
    claim = await claimed(world, one, index=0)
    assert claim is not None
    [task] = world.tasks
    digest = (await prepare(task, artifacts=Any)).digest
    world.fold(call_reported(task, request_digest=digest, output=inline("paid")))
    done = one.claims.done(claim, outcome="completed", last=False)
    one.group.create_task(done)
    await settle()
    await drain(world)


async def dies_between_two_calls(world: Any, one: Any, two: Any) -> None:
    await first_of_two_calls(world, one)
    await one.end()
    await world.move(two)
    two.cursor = 1


async def goes_on_to_its_second_call_after_a_long_stop(world: Any, one: Any, two: Any) -> None:
    await first_of_two_calls(world, one)
    one.halt()
    await world.move(two)
    two.cursor = 1
    await pass_leases(world)
    one.stopped = False
    claim = await claimed(world, one, index=1)
    if claim is not None:
        world.asked(claim.call_id, by=one)


async def claims_again_after_a_stop(world: Any, one: Any, two: Any) -> None:
    """The first claim is in the log, its ack is not; 20 s later a second one is sent."""
    one.take()
    await settle()
    unanswered = one.write()
    one.halt()
    await world.move(two)
    await advance(world)
    await advance(world)
    one.stopped = False
    unanswered.doubt()
    await settle()
    one.land()
    one.catch_up()
    await settle()
    world.clock_ms += worlds.TICK_MS
    two.fire()
    await settle()
    for _ in range(3):
        while two.sends:
            two.land()
        two.catch_up()
        await settle()


async def unknown_comes_after_the_result(world: Any, one: Any, two: Any) -> None:
    await calling(world, one)
    one.answer()
    await settle()
    one.land()
    one.halt()
    await world.move(two)
    await pass_leases(world)
    assert [r.data.outcome for r in world.inbox.records if isinstance(r.data, CallReported)] == [
        "completed", "unknown",
    ]  # fmt: skip
    await one.end()


async def is_given_the_task_twice(world: Any, one: Any, two: Any) -> None:
    """The partition goes to the other worker and comes back before the claim is in the log."""
    one.take()
    await world.move(two)
    await world.move(one)
    one.take()
    await settle()
    while one.sends:
        one.land()
        one.catch_up()
        await settle()


async def refuses_while_the_partition_moves(world: Any, one: Any, two: Any) -> None:
    one.tools.models.clear()
    one.take()
    await settle()
    await world.move(two)
    one.land()
    await settle()
    two.take()
    await drain(world)


async def dies_before_it_has_refused(world: Any, one: Any, two: Any) -> None:
    one.tools.models.clear()
    one.take()
    await settle()
    await one.end()
    await world.move(two)


async def the_clock_of_the_log_steps_forward(world: Any, one: Any, two: Any) -> None:
    await calling(world, one)
    await world.move(two)
    world.log_ahead_ms = 600_000.0
    two.fire()
    await settle()
    for _ in range(3):
        while two.sends:
            two.land()
        two.catch_up()
        await settle()


async def claims_twice_and_compaction_comes(world: Any, one: Any, two: Any) -> None:
    """W1's first claim is in doubt; W2 claims; W1 claims again; W2 reads after the compaction."""
    one.take()
    await world.move(two)
    two.take()
    await settle()
    one.land(acked=False)
    await settle()
    two.land()
    one.land()
    one.catch_up()
    await settle()
    world.compact()
    two.catch_up()
    await settle()
