"""P01 to P10 of the catalogue of faults: a provider's bad day, from the user's side to the log.

Each names the invariant that it is about: I3 one end, I5 a claim before each request, I6 money,
I8 the stream, I13 what cannot be read, I15 bounds. The last test judges all that was left behind.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Literal

import orjson
import pytest
import pytest_asyncio
from msgspec.structs import replace

from facilitair_client.client import Facilitair
from facilitair_client.events import Event
from facilitair_events.requests import Usage
from facilitair_testing.eventually import eventually
from facilitair_testing.history import hold
from facilitair_testing.provider.answers import SIXTY, Answer, counted
from facilitair_testing.provider.claimed import RequestsDifferError, named
from facilitair_testing.provider.scripts import Script
from tests.provider.troubled_solo import (
    OPEN_S,
    PROVIDERS,
    Run,
    TroubledSolo,
    troubled_solo,
)

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="module"),
]

SHORT = Answer(tokens=counted(6), usage=Usage(input_tokens=11, output_tokens=6))
GOOD = Script(answer=SHORT)
DOUBLED = {
    "agents/doubled.yaml": "agent: doubled\nrole: assistant\nprompt: assistant\n"
    "models: [openai/doubled-dead, anthropic/doubled-good]\n",
    "workflows/doubled.yaml": "workflow: doubled\noutput: a\nsteps:\n"
    '  - {id: a, agent: doubled, input: "{{ task }}"}\n',
}
HANGS: tuple[Literal["headers", "body", "stream"], ...] = ("headers", "body", "stream")
WILD = Answer(
    tokens=("\x1b[2J\x1b]0;owned\x07", "<script>alert(1)</script>", "![x](http://e.invalid/?q)"),
    usage=Usage(input_tokens=3, output_tokens=3),
)


SLOW = {
    "p01-absurd": ("openai", "impatient", Script(status=429, retry_after="absurd")),
    "p06-drip": ("openai", "thrice", Script(answer=SHORT, drip_s=0.5)),
    "p06-slow": ("openai", "brief", Script(answer=Answer(tokens=counted(5000)), pace_s=0.2)),
} | {
    f"p03-{provider}-{hang}": (provider, "thrice", Script(hang=hang, answer=SHORT, after=3))
    for provider in PROVIDERS
    for hang in HANGS
}
"""Provider, workflow and script by model."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TroubledSolo]:
    async with troubled_solo(tmp_path_factory.mktemp("trouble"), more=DOUBLED) as troubled:
        troubled.provider.default = GOOD
        yield troubled


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def slow(world: TroubledSolo) -> AsyncIterator[dict[str, asyncio.Task[Run]]]:
    """Runs that take as long as a provider may stand still, by model; they go on meanwhile."""
    async with asyncio.TaskGroup() as runs:
        yield {
            model: runs.create_task(begun(world, model, wanted)) for model, wanted in SLOW.items()
        }


def script(world: TroubledSolo, model: str, *scripts: Script) -> None:
    """What the first requests for a model see; the following ones are answered well."""
    world.provider.by_model[model] = deque(scripts)


async def begun(world: TroubledSolo, model: str, wanted: tuple[str, str, Script]) -> Run:
    provider, workflow, seen = wanted
    script(world, model, seen)
    return await world.run(model, provider=provider, workflow=workflow)


def asked(world: TroubledSolo, model: str) -> int:
    return len(world.provider.requests(model))


def failed(run: Run) -> list[Event]:
    return [event for event in run.events if event.kind == "attempt.failed"]


@pytest.mark.usefixtures("slow")
async def test_p01_i3_a_429_is_waited_for_as_the_provider_wishes(world: TroubledSolo) -> None:
    forms = {
        "p01-seconds": Script(status=429, retry_after="seconds", retry_after_s=1),
        "p01-date": Script(status=429, retry_after="date", retry_after_s=1),
        "p01-none": Script(status=429),
        "p01-unreadable": Script(status=429, retry_after="unreadable"),
    }
    for model, wanted in forms.items():
        script(world, model, wanted)
    runs = await asyncio.gather(*map(world.run, forms))
    for model, run in zip(forms, runs, strict=True):
        assert run.transcript.status == "completed"
        assert run.faults[0] == "rate_limited"
        assert set(run.faults[1:]) <= {"rate_limited"}, "declined at cost 0 until it is time"
        assert asked(world, model) == 2
    for run in runs[:2]:
        assert failed(run)[0].data["fault"]["retry_after_s"] == 1


async def test_p01_i3_an_absurd_retry_after_ends_at_the_deadline(
    world: TroubledSolo, slow: dict[str, asyncio.Task[Run]]
) -> None:
    run = await slow["p01-absurd"]
    assert run.transcript.status in {"expired", "failed"}
    assert failed(run)[0].data["fault"]["retry_after_s"] == 600
    assert asked(world, "p01-absurd") == 1


async def test_p02_i5_in_a_storm_the_breaker_opens_and_probes_once(world: TroubledSolo) -> None:
    storms = {500: "unavailable", 503: "overloaded", 529: "overloaded"}
    for status in storms:
        script(world, f"p02-{status}", Script(status=status, times=6))
    runs = await asyncio.gather(*(world.run(f"p02-{s}", workflow="patient") for s in storms))
    for (status, code), run in zip(storms.items(), runs, strict=True):
        assert run.transcript.status == "completed"
        assert asked(world, f"p02-{status}") == 7, "five that open it, and two probes"
        assert run.faults[:5] == [code] * 5
        declined = failed(run)[5].data["fault"]
        assert declined["code"] == "unavailable"
        assert f"openai/p02-{status} failed 5 times in a row ({code})" in declined["message"]
        assert declined["retry_after_s"] <= OPEN_S


async def test_p02_i5_a_dead_provider_costs_no_more_than_its_probes(world: TroubledSolo) -> None:
    script(world, "p02-dead", Script(broken="cut", after=3, answer=SHORT, times=10_000))
    first = await asyncio.gather(*(world.run("p02-dead", workflow="once") for _ in range(5)))
    assert [run.faults for run in first] == [["truncated"]] * 5
    runs = [await world.run("p02-dead", workflow="once") for _ in range(12)]
    history = [line for line in world.lines() if line.model == "p02-dead"]
    starts = [line.at_ms for line in history if line.outcome == "started"]
    for before, after in pairwise(starts[4:]):
        assert after - before >= OPEN_S * 1000, "one request in the time that it is open"
    declined = [run for run in runs if run.faults == ["unavailable"]]
    assert len(declined) == 12 - (len(starts) - 5)
    for run in declined:
        assert run.transcript.totals is not None
        assert (run.transcript.totals.calls, run.text) == (0, "")


async def test_p02_i3_another_model_answers_while_the_first_one_is_left_alone(
    world: TroubledSolo,
) -> None:
    script(world, "doubled-dead", Script(status=503, times=10_000))
    runs = [await world.run("doubled", workflow="doubled", as_written=True) for _ in range(8)]
    for run in runs:
        assert run.transcript.status == "completed"
        planned = [event.data["model"] for event in run.events if event.kind == "step.scheduled"]
        assert planned == ["doubled-dead", "doubled-good"]
        assert len(run.faults) == 1, "one attempt for each model"
    assert [run.faults for run in runs[:5]] == [["overloaded"]] * 5
    probes = asked(world, "doubled-dead") - 5
    assert [run.faults for run in runs[5:]].count(["unavailable"]) == 3 - probes
    assert asked(world, "doubled-good") == 8


async def test_p03_i3_a_provider_that_hangs_is_left(
    world: TroubledSolo, slow: dict[str, asyncio.Task[Run]]
) -> None:
    hangs = [model for model in SLOW if model.startswith("p03")]
    runs = await asyncio.gather(*(slow[model] for model in hangs))
    for model, run in zip(hangs, runs, strict=True):
        assert (run.transcript.status, run.faults) == ("completed", ["timeout"])
        assert asked(world, model) == 2
        assert run.transcript.totals is not None
        assert run.transcript.totals.cost_usd is None, "nobody knows what the first one cost"
    assert {left.model for left in world.provider.left} >= set(hangs)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_p04_i8_a_stream_that_is_cut_is_partial_and_then_reset(
    world: TroubledSolo, provider: str
) -> None:
    model = f"p04-cut-{provider}"
    script(world, model, Script(answer=SIXTY, broken="cut"), Script(answer=SIXTY))
    written: list[str] = []

    async def until_the_cut(run: Run, event: Event) -> None:
        if event.kind == "attempt.failed":
            written.append(run.text)

    run = await world.run(model, provider=provider, on_event=until_the_cut)
    assert (run.transcript.status, run.faults) == ("completed", ["truncated"])
    assert SIXTY.tokens[0] in written[0]
    assert "".join(SIXTY.tokens).startswith(written[0])
    reset = run.kinds.index("attempt.reset")
    assert run.kinds.index("attempt.failed") < reset
    assert run.text == "".join(SIXTY.tokens), "nothing of the first attempt is left"
    assert failed(run)[0].data["fault"]["retryable"]


async def test_p04_i6_usage_that_is_missing_is_never_zero_and_twice_is_once(
    world: TroubledSolo,
) -> None:
    for usage in ("never", "twice", "once"):
        script(world, f"p04-{usage}", Script(answer=SHORT, usage=usage))
    runs = await asyncio.gather(*(world.run(f"p04-{u}") for u in ("never", "twice", "once")))
    assert [run.transcript.status for run in runs] == ["completed"] * 3
    totals = [run.transcript.totals for run in runs]
    assert all(told is not None and told.cost_usd is None for told in totals)
    assert totals[0] is not None
    assert totals[0].usage.output_tokens > 0
    assert [told.usage.estimated for told in totals if told] == [True, False, False]
    for told in totals[1:]:
        assert told is not None
        assert (told.usage.input_tokens, told.usage.output_tokens) == (11, 6)


@pytest.mark.parametrize("broken", ["half", "giant", "error", "end"])
async def test_p05_i13_what_cannot_be_read_fails_one_attempt(
    world: TroubledSolo, broken: str
) -> None:
    model = f"p05-{broken}"
    script(world, model, Script(answer=SHORT, broken=broken, after=3))  # type: ignore[arg-type]
    run = await world.run(model)
    assert run.transcript.status == "completed"
    expected = {"error": "unavailable", "end": "truncated"}.get(broken, "malformed")
    assert run.faults == [expected]


async def test_p05_i8_letters_that_are_cut_by_every_byte_arrive_whole(world: TroubledSolo) -> None:
    said = Answer(tokens=("grüße ", "🙂", "日本語"), usage=Usage(input_tokens=1, output_tokens=3))
    script(world, "p05-split", Script(answer=said, drip_s=0))
    run = await world.run("p05-split")
    assert run.text == "grüße 🙂日本語"


async def test_p06_i15_a_drip_that_completes_no_event_is_left(
    slow: dict[str, asyncio.Task[Run]],
) -> None:
    run = await slow["p06-drip"]
    assert (run.transcript.status, run.faults) == ("completed", ["timeout"])


async def test_p06_i3_a_stream_that_goes_on_for_ever_ends_at_the_deadline_of_its_attempt(
    world: TroubledSolo, slow: dict[str, asyncio.Task[Run]]
) -> None:
    run = await slow["p06-slow"]
    assert (run.transcript.status, run.faults) == ("failed", ["timeout"])
    await eventually(
        lambda: "p06-slow" in {left.model for left in world.provider.left},
        what="the end of the connection",
    )


async def test_p08_i6_an_answer_that_is_lost_on_its_way_is_asked_again_in_the_open(
    world: TroubledSolo,
) -> None:
    script(world, "p08", Script(answer=SHORT, broken="cut", after=0))
    run = await world.run("p08")
    assert (run.transcript.status, run.faults) == ("completed", ["truncated"])
    async with Facilitair(world.solo.url) as client:
        cost = await client.cost(run.id)
    assert [(call.attempt, call.outcome) for call in cost.calls] == [
        (1, "failed"),
        (2, "completed"),
    ]
    assert cost.calls[0].cost_usd is None, "it may have been billed"


async def test_p09_i10_wild_text_is_data_and_steers_no_terminal(world: TroubledSolo) -> None:
    script(world, "p09", Script(answer=WILD))
    run = await world.run("p09")
    assert run.text == "".join(WILD.tokens), "it is stored as it came"
    shown = await world.command("show", run.id, "--step", "a")
    assert b"<script>alert(1)</script>" in shown
    assert not any(byte in shown for byte in (b"\x1b", b"\x07", b"\x9b"))
    told = orjson.loads(await world.command("show", run.id, "--json"))
    assert told["id"] == run.id


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_p10_i3_a_cancel_closes_the_connection_in_every_phase(
    world: TroubledSolo, provider: str
) -> None:
    """The provider says nothing more: it need not send a chunk for us to leave."""
    models = {hang: f"p10-{provider}-{hang}" for hang in HANGS}
    for hang, model in models.items():
        script(world, model, Script(hang=hang, answer=SHORT, after=3))

    async def stop(run: Run, event: Event) -> None:
        if event.kind == "attempt.started":
            model = event.data["model"]
            await eventually(lambda: asked(world, model), what="the request")
            if not model.endswith("stream"):
                await world.cancel(run)
        elif event.kind == "token" and "t2" in run.text:
            await world.cancel(run)

    runs = await asyncio.gather(
        *(world.run(model, provider=provider, on_event=stop) for model in models.values())
    )
    assert [run.transcript.status for run in runs] == ["cancelled"] * 3
    await eventually(
        lambda: {left.model for left in world.provider.left} >= set(models.values()),
        what="the end of the connections",
    )
    tokens = {left.model: left.tokens for left in world.provider.left}
    assert [tokens[model] for model in models.values()] == [0, 0, 3]
    assert [asked(world, model) for model in models.values()] == [1, 1, 1]
    assert runs[2].kinds[-1] == "collaboration.cancelled"


async def test_p07_i5_each_request_has_one_winning_claim_and_each_claim_an_outcome(
    world: TroubledSolo,
) -> None:
    """All of the above, read back from the log and from the provider's own journal."""
    history = await world.history()
    hold(history, lease_ms=0)
    again = next(line for line in history.provider if line.outcome == "started")
    with pytest.raises(RequestsDifferError, match="claims that were used"):
        named(replace(history, provider=(*history.provider, again)), world.prompts())
