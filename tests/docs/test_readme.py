"""Every command of README.md runs in a fresh clone and prints what the page shows."""

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from facilitair_testing.eventually import eventually
from tools.markdown import blocks, commands, without_section

FLEET = "A fleet"  # the commands of this section are run by test_fleet_commands.py
NOT_RUN = {"make test"}  # it is what runs this test
STAYS = "make up"
FAST = {"FACILITAIR_SIMULATOR_TTFT_MS": "20", "FACILITAIR_SIMULATOR_TOKENS_PER_S": "20000"}
UP = FAST | {"FACILITAIR_GATEWAY_PORT": "0"}
# What is cancelled later must not have ended by then, however long each command takes.
DETACHED, HELD = '" --detach', "[[simulator:role=coder;hang=headers]]"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def normal(line):
    """A line without what differs from run to run: ids, numbers, folders, the terminal's width."""
    line = _ID.sub("ID", line.strip())
    line = re.sub(r"[^\s(]*\.facilitair\b", "HOME", line)
    return re.sub(r"─+", "─", re.sub(r"\d[\d.,]*\d|\d", "N", line))


def missing(shown, text):
    """The first line the page shows that was not printed after the ones before it."""
    printed = iter([normal(line) for line in text.splitlines()])
    for line in shown:
        if line.strip() != "…" and normal(line) not in printed:
            return line
    return None


@dataclass
class Session:
    """What the commands of the page leave for those after them."""

    open_terminal: object
    model_url: str
    up: object = None
    ident: str = ""
    printed: dict[str, str] = field(default_factory=dict)

    async def check(self, command):
        """Run it, unless the page shows it twice, and compare what it printed."""
        if command.text not in self.printed:
            self.printed[command.text] = await self.run(command.text)
        line = missing(command.shown, self.printed[command.text])
        assert line is None, f"{command} did not print {line!r}:\n{self.printed[command.text]}"

    async def run(self, text):
        adapted, variables = self.adapted(text)
        terminal = self.open_terminal(adapted, **variables)
        if text == STAYS:
            self.up = terminal
            await eventually(lambda: "is up on" in terminal.text, timeout_s=120, what="up")
        else:
            code = terminal.finish()
            assert code == 0, f"{text} ended with {code}:\n{terminal.text}"
        found = _ID.search(terminal.text)
        self.ident = found[0] if found else self.ident
        return terminal.text

    def adapted(self, text):
        """The command with real places in it; no real model is asked, whatever it names."""
        variables = UP if text == STAYS else FAST
        text = text.replace(DETACHED, f" {HELD}{DETACHED}")
        if "OPENAI_API_KEY=" in text:
            more = {"OPENAI_BASE_URL": f"{self.model_url}/v1", "FACILITAIR_MODEL": "keyed-model"}
            variables = variables | more
        for place in ("http://127.0.0.1:8000", "127.0.0.1:11434"):
            text = text.replace(place, self.model_url)
        return re.sub(r"\bID\b", self.ident, text), variables

    def run_python(self, lines):
        url = re.search(r"http://\S+", self.up.text)[0]
        program = "\n".join(lines).replace("http://127.0.0.1:8080", url)
        terminal = self.open_terminal(f".venv/bin/python -c {shlex.quote(program)}")
        assert terminal.finish() == 0, terminal.text
        return terminal.text


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal.jsonl"


@pytest.fixture
def model_url(journal, outer_environment):
    """A server of the OpenAI dialect that stands for the real ones."""
    env = {**outer_environment, **FAST, "FACILITAIR_SIMULATOR_JOURNAL": str(journal)}
    command = [sys.executable, "-m", "facilitair_llm.simulator"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        yield found[0]
        process.terminate()


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_every_command_runs_in_a_fresh_clone(ready_clone, open_terminal, model_url, journal):
    page = blocks(without_section((ready_clone / "README.md").read_text(), FLEET))
    session = Session(open_terminal, model_url)
    for block in page:
        if block.language == "python":
            assert "collaboration.completed" in session.run_python(block.lines)
        for command in commands(block) if block.language == "console" else ():
            if command.text not in NOT_RUN:
                await session.check(command)

    assert session.up.finish() == 0
    wanted = {c.text for b in page if b.language == "console" for c in commands(b)}
    assert wanted - session.printed.keys() == NOT_RUN
    written = sorted(path.name for path in (ready_clone / "result").iterdir())
    assert {"architect.md", "coder.md", "reviewer.md", "documenter.md"} < set(written)
    assert [name for name in written if name.startswith("test_") and name.endswith(".py")]
    asked = journal.read_text()
    assert all(f'"{name}"' in asked for name in ("keyed-model", "your-model", "llama3.2"))


def test_a_line_that_is_not_printed_is_found():
    printed = "one 1\nid: 6f543e0e-400c-541b-8d5f-cd4421e60407\ntwo 22.5\n"
    assert missing(["one 7", "…", "two 3,000"], printed) is None
    assert missing(["two 1", "one 1"], printed) == "one 1"
    assert missing(["three"], printed) == "three"
