"""What users see when a provider fails: another model, the rest of an answer, or a marked part."""

from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final

import orjson
import pytest
import pytest_asyncio
from msgspec.structs import replace

from facilitair_client.client import Facilitair
from facilitair_events.requests import Usage
from facilitair_llm.continuing import GO_ON
from facilitair_testing.history import hold
from facilitair_testing.provider.answers import Answer, counted
from facilitair_testing.provider.scripts import Script
from tests.provider.troubled_solo import PROVIDERS, Run, TroubledSolo, troubled_solo

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="module"),
]


def saying(*tokens: str, **more: Any) -> Script:
    """An answer of these tokens, counted as they are."""
    usage = Usage(input_tokens=11, output_tokens=len(tokens))
    return Script(answer=Answer(tokens=tokens, usage=usage, **more))


SHORT: Final = saying(*counted(6)).answer
GOOD: Final = Script(answer=SHORT)
LIMIT: Final = Script(answer=replace(SHORT, finish="length"))
REST: Final = saying("and ", "the rest")
WHOLE: Final = "".join(SHORT.tokens)

CHAINS: Final = {
    "fallback": ("openai", "anthropic"),
    "keyless": ("openai", "anthropic", "ollama"),
    "reset": ("openai", "anthropic"),
    "continue-openai": ("openai",),
    "continue-anthropic": ("anthropic",),
    "continue-ollama": ("ollama",),
    "cut": ("openai",),
    "larger": ("openai",),
    "partial": ("openai",),
    "refusal": ("anthropic", "openai"),
    "filtered": ("openai", "anthropic"),
    "deadline": ("openai",),
    "json": ("openai",),
}
"""For each workflow the providers of its agent's models, which are named `<workflow>-<place>`."""

POLICIES: Final = {
    "cut": "endings: {cut: continue}",
    "larger": "endings: {length: larger}",
    "partial": "endings: {length: partial}",
    "refusal": "endings: {refusal: fallback}",
    "filtered": "endings: {refusal: fallback}",
    "deadline": "on_error: {retry: {deadline: 2s}}",
    "json": "endings: {length: continue}\n    output: {json: {type: object, required: [a]}}",
} | {f"continue-{provider}": "endings: {length: continue}" for provider in PROVIDERS}


DIALECTS: Final = {
    "openai": "dialect: openai-chat",
    "anthropic": "dialect: anthropic-messages\nbase_url: https://api.anthropic.com",
    "ollama": "dialect: ollama-chat",
}


def definitions() -> dict[str, str]:
    """A workflow of one step for each chain, its agent, and the models of all."""
    files = {}
    for provider, dialect in DIALECTS.items():
        listed = "".join(
            f"  - name: {name}-{place}\n"
            for name, providers in CHAINS.items()
            for place, one in enumerate(providers)
            if one == provider
        )
        files[f"models/{provider}.yaml"] = (
            f"provider: {provider}\n{dialect}\ndefault: other\nunlisted_models: true\n"
            f"models:\n  - name: other\n{listed}"
        )
    for name, providers in CHAINS.items():
        models = ", ".join(f"{one}/{name}-{place}" for place, one in enumerate(providers))
        policy = POLICIES.get(name, "on_error: {retry: {backoff: 0s}}")
        files[f"agents/{name}.yaml"] = (
            f"agent: {name}\nrole: assistant\nprompt: assistant\nmodels: [{models}]\n"
            "max_output_tokens: 100\n"
        )
        files[f"workflows/{name}.yaml"] = (
            f"workflow: {name}\ntimeout: 2m\noutput: a\nsteps:\n  - id: a\n    agent: {name}\n"
            f'    input: "{{{{ task }}}}"\n    timeout: 60s\n    {policy}\n'
        )
    return files


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TroubledSolo]:
    home = tmp_path_factory.mktemp("recoveries")
    async with troubled_solo(home, more=definitions()) as troubled:
        troubled.provider.default = GOOD
        yield troubled


async def play(world: TroubledSolo, workflow: str, *scripts: tuple[Script, ...]) -> Run:
    """Run a workflow whose models see these scripts, in the order of its chain."""
    for place, seen in enumerate(scripts):
        world.provider.by_model[f"{workflow}-{place}"] = deque(seen)
    return await world.run(f"{workflow}-0", workflow=workflow, as_written=True)


def bodies(world: TroubledSolo, model: str) -> list[dict[str, Any]]:
    return [orjson.loads(request.body) for request in world.provider.requests(model)]


def schedules(run: Run) -> list[tuple[str, str, str]]:
    """Why each attempt was made and whom it asked."""
    found = [event.data for event in run.events if event.kind == "step.scheduled"]
    return [(data.get("reason", "first"), data["provider"], data["model"]) for data in found]


async def test_before_the_first_word_the_next_model_answers(world: TroubledSolo) -> None:
    run = await play(world, "fallback", (Script(status=503),))
    assert (run.transcript.status, run.text, run.faults) == ("completed", WHOLE, ["overloaded"])
    assert schedules(run) == [
        ("first", "openai", "fallback-0"), ("fallback", "anthropic", "fallback-1"),
    ]  # fmt: skip
    assert run.transcript.steps["a"].model is not None
    assert (len(bodies(world, "fallback-0")), len(bodies(world, "fallback-1"))) == (1, 1)


async def test_a_model_without_a_key_is_no_end(world: TroubledSolo) -> None:
    """Nor is one that hangs: the third one answers."""
    run = await play(world, "keyless", (Script(status=401),), (Script(hang="headers"),))
    assert (run.transcript.status, run.text) == ("completed", WHOLE)
    assert run.faults == ["authentication", "timeout"]
    assert [reason for reason, _, _ in schedules(run)] == ["first", "fallback", "fallback"]


async def test_after_the_first_word_the_text_is_retracted_and_asked_for_again(
    world: TroubledSolo,
) -> None:
    run = await play(world, "reset", (Script(answer=SHORT, broken="cut", after=3), GOOD))
    assert (run.text, run.faults) == (WHOLE, ["truncated"])
    assert schedules(run)[1:] == [("retry", "openai", "reset-0")]
    assert "attempt.reset" in run.kinds
    assert bodies(world, "reset-1") == [], "no other model is asked for what was shown"


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_that_met_its_limit_is_gone_on_from(
    world: TroubledSolo, provider: str
) -> None:
    run = await play(world, f"continue-{provider}", (LIMIT, REST))
    assert (run.transcript.status, run.text) == ("completed", f"{WHOLE}and the rest")
    assert run.faults == ["length"]
    assert [reason for reason, _, _ in schedules(run)] == ["first", "continue"]
    _, second = bodies(world, f"continue-{provider}-0")
    before, last = second["messages"][-2:]
    assert (before["role"], last["role"]) == ("assistant", "user")
    assert WHOLE in orjson.dumps(before["content"]).decode()
    assert GO_ON in orjson.dumps(last["content"]).decode()
    reset = run.kinds.index("attempt.reset")
    seen = [event.data["text"] for event in run.events[reset:] if event.kind == "token"]
    assert "".join(seen) == run.text, "the viewer gets the earlier text first"
    assert run.transcript.partial_steps == ()


async def test_so_is_one_that_was_cut_where_the_step_says_so(world: TroubledSolo) -> None:
    run = await play(world, "cut", (Script(answer=SHORT, broken="cut", after=3), REST))
    assert run.text == "".join(SHORT.tokens[:3]) + "and the rest"
    assert [reason for reason, _, _ in schedules(run)] == ["first", "continue"]


async def test_a_larger_answer_is_asked_for_with_twice_the_limit(world: TroubledSolo) -> None:
    run = await play(world, "larger", (LIMIT, LIMIT, GOOD))
    assert (run.text, run.faults) == (WHOLE, ["length", "length"])
    limits = [
        body.get("max_completion_tokens") or body["max_tokens"]
        for body in bodies(world, "larger-0")
    ]
    assert limits == [100, 200, 400]
    assert [reason for reason, _, _ in schedules(run)] == ["first", "larger", "larger"]


async def test_a_part_is_taken_and_marked_wherever_it_is_shown(world: TroubledSolo) -> None:
    run = await play(world, "partial", (LIMIT,))
    assert (run.transcript.status, run.text) == ("completed", WHOLE)
    assert run.transcript.partial_steps == ("a",)
    assert run.transcript.steps["a"].partial == "length"
    assert b"partial (length)" in await world.command("show", run.id)
    async with Facilitair(world.solo.url) as client:
        described = await client.get(run.id)
    assert [step.partial for step in described.steps] == ["length"]


async def test_a_refusal_is_taken_to_another_model_where_the_step_says_so(
    world: TroubledSolo,
) -> None:
    declined = replace(SHORT, finish="refusal")
    run = await play(world, "refusal", (Script(answer=declined),))
    assert (run.transcript.status, run.text, run.faults) == ("completed", WHOLE, ["refusal"])
    assert [reason for reason, _, _ in schedules(run)] == ["first", "fallback"]


async def test_a_filtered_answer_is_none_and_is_not_taken_anywhere(world: TroubledSolo) -> None:
    run = await play(world, "filtered", (Script(answer=replace(SHORT, finish="content_filter")),))
    assert (run.transcript.status, run.faults) == ("failed", ["content_filter"])
    assert bodies(world, "filtered-1") == []


async def test_all_attempts_together_end_at_their_deadline(world: TroubledSolo) -> None:
    run = await play(world, "deadline", (Script(hang="headers", times=9),))
    assert run.transcript.status == "failed"
    assert [fault.code for fault in run.transcript.faults] == ["deadline"]
    assert len(bodies(world, "deadline-0")) == 1


async def test_json_is_joined_before_it_is_judged(world: TroubledSolo) -> None:
    first = saying('{"a": ', '"x', finish="length")
    run = await play(world, "json", (first, saying("y", '"}')))
    assert (run.transcript.status, run.text) == ("completed", '{"a": "xy"}')
    begun, gone_on = bodies(world, "json-0")
    assert "response_format" in begun
    assert "response_format" not in gone_on, "the rest of a JSON text is none by itself"


async def test_nothing_of_it_was_outside_the_rules(world: TroubledSolo) -> None:
    """All of the above, read back from the log and from the provider's own journal."""
    hold(await world.history(), lease_ms=0)
