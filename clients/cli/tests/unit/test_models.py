"""``models ls``, ``show`` and ``check`` against a gateway that answers as it is told."""

import io
import json
import threading
from decimal import Decimal

import pytest

from clients.cli.tests.scripted_server import Script, frame, run_of, serving
from facilitair_cli.app import run_command
from facilitair_cli.model_checks import WORDS

ATTEMPT = {"step": "assistant", "agent": "assistant", "attempt": 1}
ROWS = [
    {
        "name": "openai/gpt-x",
        "owned_by": "openai",
        "model": "gpt-x",
        "version": "0123456789ab",
        "default": False,
        "usable": False,
        "why_not": "the provider openai is not set up",
        "context_window": 1050000,
        "max_output_tokens": 128000,
        "capabilities": ["tools", "json_schema"],
        "limits": {"requests_per_minute": 500},
        "tags": ["eu"],
        "omit": ["temperature"],
        "overridden": ["prices"],
        "prices": {
            "input": "2",
            "cached_input": "0.50",
            "output": "8",
            "version": "prices 1 of 2026-11-10",
            "until": "2027-01-01T00:00:00Z",
            "tiers": [{"above_input_tokens": 272000, "input": "4", "output": "12"}],
        },
    },
    {
        "name": "here/llama",
        "owned_by": "here",
        "model": "llama",
        "version": "ba9876543210",
        "default": True,
        "usable": True,
        "why_not": None,
    },
]


@pytest.fixture
def script(monkeypatch):
    found = Script()
    found.models = ROWS
    with serving(found) as url:
        monkeypatch.setenv("FACILITAIR_URL", url)
        yield found


def out_of(capsys, *arguments):
    code = run_command(["models", *arguments])
    return code, capsys.readouterr()


def test_models_are_listed_in_columns_the_usable_ones_first(script, capsys):
    code, told = out_of(capsys, "ls")
    assert code == 0
    assert told.out.splitlines() == [
        "model         context  in / out $ per M  tags  usable here",
        "here/llama *  unknown  unknown                 yes",
        "openai/gpt-x  1.05M    2 / 8 +!          eu    the provider openai is not set up",
    ]


def test_only_usable_models_are_listed_when_asked_so(script, capsys):
    assert "gpt-x" not in out_of(capsys, "ls", "--usable")[1].out
    rows = json.loads(out_of(capsys, "ls", "--usable", "--json")[1].out)
    assert [row["name"] for row in rows] == ["here/llama"]


def test_all_of_a_model_is_told(script, capsys):
    code, told = out_of(capsys, "show", "gpt-x")
    assert code == 0
    for said in (
        "openai/gpt-x\n",
        "usable here: the provider openai is not set up",
        "context window: 1,050,000 tokens",
        "can do: tools, JSON by schema",
        "rate limits: 500 requests a minute",
        "is not told: temperature",
        "from prices 1 of 2026-11-10",
        "  cached input: $0.5\n",
        "  cache write: unknown\n",
        "more than 272,000 tokens of input: input $4, cached input unknown",
        "known until 2027-01-01",
        "in place of the seed's: prices",
    ):
        assert said in told.out, said
    told = out_of(capsys, "show", "here/llama")[1].out
    assert "prices: unknown, and so is what a call costs" in told
    assert "by default" in told
    assert json.loads(out_of(capsys, "show", "llama", "--json")[1].out) == ROWS[1]


@pytest.mark.parametrize("command", ["show", "check"])
def test_an_unknown_model_is_told_with_near_misses(script, capsys, command):
    code, told = out_of(capsys, command, "openai/gpt-y")
    assert code == 1
    assert "there is no model 'openai/gpt-y'; did you mean openai/gpt-x" in told.err
    assert not script.bodies


def test_a_model_that_nobody_lists_is_shown_and_checked_where_it_may_be_named(script, capsys):
    script.unlisted = [ROWS[1] | {"name": "here/new:8b", "model": "new:8b", "default": False}]
    assert out_of(capsys, "show", "here/new:8b")[1].out.startswith("here/new:8b\nusable here: yes")
    code, told = out_of(capsys, "check", "here/new:8b")
    assert (code, told.out.split()[:2]) == (0, ["ok", "here/new:8b"])
    assert script.bodies[0]["models"] == {"assistant": "here/new:8b"}


def test_a_name_that_two_providers_have_needs_its_provider(script, capsys):
    script.models = [*ROWS, ROWS[1] | {"name": "there/llama"}]
    code, told = out_of(capsys, "show", "llama")
    assert code == 1
    assert "did you mean here/llama or there/llama?" in told.err


def test_a_whole_name_is_one_models_also_where_another_provider_has_it_inside(script, capsys):
    script.models = [*ROWS, ROWS[1] | {"name": "router/openai/gpt-x", "model": "openai/gpt-x"}]
    code, told = out_of(capsys, "show", "openai/gpt-x", "--json")
    assert code == 0
    assert json.loads(told.out)["name"] == "openai/gpt-x"


def test_the_default_of_every_usable_provider_is_asked_for_one_word(script, capsys):
    code, told = out_of(capsys, "check")
    assert code == 0
    assert told.out.startswith("ok    here/llama ")
    assert "first word after" in told.out
    assert "$0.25" in told.out
    [body] = script.bodies
    assert body["workflow"] == "answer"
    assert body["models"] == {"assistant": "here/llama"}


def failing(code, **more):
    fault = {"code": code, "message": "the provider did not answer", "retryable": True} | more
    return [
        *run_of()[:3],
        frame("attempt.failed", {"seq": 3, "fault": fault, **ATTEMPT}, offset=20),
    ]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("authentication", "the key is refused"),
        ("quota", "no credit"),
        ("unavailable", "not reachable"),
        ("rate_limited", "too many requests just now"),
        ("brand_new", "brand_new"),
    ],
)
def test_what_is_wrong_is_told_in_plain_words_after_one_try(script, capsys, code, words):
    script.parts = failing(code, quote={"k": None, "v": "said\nthe provider"})
    status, told = out_of(capsys, "check", "here/llama", "openai/gpt-x")
    assert status == 1
    lines = told.out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["FAIL", "here/llama"],
        ["FAIL", "openai/gpt-x"],
    ]
    assert all(words in line and "said the provider" in line for line in lines)
    cancelled = [r for r in script.requests if r.endswith("/control")]
    assert len(cancelled) == 2, "no second try is paid for"


def test_a_check_is_told_as_json(script, capsys):
    script.parts = failing("quota")
    code, told = out_of(capsys, "check", "--json")
    [found] = json.loads(told.out)
    assert code == 1
    assert (found["model"], found["ok"], found["fault"]) == ("here/llama", False, "quota")
    assert found["told"].startswith(WORDS["quota"])


def test_a_model_that_is_refused_at_the_edge_fails_its_check(script, capsys):
    script.problem = {
        "status": 422,
        "code": "model_lacks_tag",
        "detail": "here/llama lacks the required tags eu",
    }
    code, told = out_of(capsys, "check")
    assert code == 1
    assert "lacks the required tags eu" in told.out


def test_nothing_to_check_is_a_failure(script, capsys):
    script.models = ROWS[:1]
    code, told = out_of(capsys, "check")
    assert code == 1
    assert "no model can be used here" in told.err


def test_a_check_waits_as_long_as_it_is_told(script, capsys):
    script.parts = run_of()[:3]
    script.held = threading.Event()
    try:
        code, told = out_of(capsys, "check", "--timeout", "1")
    finally:
        script.held.set()
    assert code == 1
    assert "no answer within 1 s" in told.out


def test_help_has_examples(capsys):
    for command in ("ls", "show", "check", "count"):
        assert run_command(["models", command, "--help"]) == 0
        assert "Example: facilitair models" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("model", "told", "method"),
    [
        (
            "gpt-4o",
            "4 tokens for here/gpt-4o, counted by its vocabulary o200k_base;",
            "vocabulary",
        ),
        ("gpt-x", "about 4 tokens for here/gpt-x, by o200k_base, as its own", "near_vocabulary"),
        ("house", "about 3 tokens for here/house, by the size of the text", "bytes"),
    ],
)
def test_the_tokens_of_a_text_are_counted(script, capsys, tmp_path, model, told, method):
    (tmp_path / "text").write_text("A keyed log.")
    prices = {"input": "1000000"}
    script.models = [ROWS[1] | {"name": f"here/{model}", "model": model, "prices": prices}]
    code, said = out_of(capsys, "count", model, str(tmp_path / "text"))
    assert code == 0
    assert said.out.startswith(told)
    found = json.loads(out_of(capsys, "count", model, str(tmp_path / "text"), "--json")[1].out)
    assert found["method"] == method
    assert Decimal(found["input_cost_usd"]) == found["tokens"]


def test_the_cost_of_a_text_is_unknown_without_a_price(script, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("Ein Fuß".encode())))
    code, told = out_of(capsys, "count", "llama")
    assert code == 0
    assert told.out.endswith("as input cost unknown\n")


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_what_is_no_text_is_refused(script, capsys, tmp_path, content):
    if content is not None:
        (tmp_path / "text").write_bytes(content)
    code, told = out_of(capsys, "count", "llama", str(tmp_path / "text"))
    assert code == 2
    assert "FILE" in told.err
