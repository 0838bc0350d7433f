"""A directory of definitions: all faults together, each with file and line."""

import contextlib

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from facilitair_workflows.findings import DefinitionsError, FileFault
from facilitair_workflows.loading import load_directory
from facilitair_workflows.yaml_positions import MAX_FILE_BYTES

WORKFLOW = "workflow: w\noutput: a\nsteps: [{id: a, agent: writer, input: x}]\n"
AGENT = "agent: writer\nrole: writer\nprompt: writer\nmodels: [default]\n"
PROMPT = "prompt: writer\ntext: |\n  Role: writer\n"


@pytest.fixture
def write(tmp_path):
    def write(files):
        defaults = {
            "workflows/w.yaml": WORKFLOW,
            "agents/writer.yaml": AGENT,
            "prompts/writer.yaml": PROMPT,
        }
        for name, content in {**defaults, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            if content is not None:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        return tmp_path

    return write


def refused(root, **options):
    with pytest.raises(DefinitionsError) as caught:
        load_directory(root, **options)
    return [str(fault) for fault in caught.value.faults]


def only(faults):
    assert len(faults) == 1, faults
    return faults[0]


def test_a_directory_without_faults(write):
    documents = load_directory(write({}))
    assert set(documents.workflows) == {"w"}
    assert documents.agents["writer"].models == ("default",)
    assert documents.agents["writer"].prompt_label == "active"
    assert documents.prompts["writer"].text == "Role: writer\n"


def test_other_files_are_left_alone(write):
    root = write({"workflows/README.md": "# x", "workflows/.hidden": "x", "agents/x.txt": "{"})
    assert set(load_directory(root).workflows) == {"w"}


DURATION = "must be a duration such as 500ms, 90s, 10m or 1h"
FILE = "workflows/five.yaml"
FIVE = """\
workflow: five
descripton: one letter is missing
timeout: 10
output: b
steps:
  - id: a
    agent: wrter
    input: |
      {{ task }}

      {{ outputs.nobody }}
  - id: b
    agent: writer
    needs: [c]
    input: x
"""


def test_five_faults_are_five_faults_at_their_lines(write):
    assert refused(write({"workflows/five.yaml": FIVE})) == [
        f"{FILE}:2: unknown key 'descripton' in the workflow (did you mean 'description'?)",
        f"{FILE}:3: 'timeout' {DURATION} (did you mean 10s?)",
        f"{FILE}:7: unknown agent 'wrter' (did you mean 'writer'?)",
        f"{FILE}:11: 'input': there is no step 'nobody' whose output could be named",
        f"{FILE}:14: needs the unknown step 'c'",
    ]


def test_faults_of_all_files_come_together(write):
    faults = refused(
        write(
            {
                "workflows/w.yaml": WORKFLOW.replace("output: a", "output: b"),
                "agents/writer.yaml": AGENT.replace("prompt: writer", "prompt: writr"),
                "prompts/writer.yaml": f"{PROMPT}name: x\n",
            }
        )
    )
    assert [fault.split(" ")[0] for fault in faults] == [
        "agents/writer.yaml:3:",
        "prompts/writer.yaml:4:",
        "workflows/w.yaml:2:",
    ]


def test_the_error_lists_every_fault():
    faults = [FileFault("b", 2, "second"), FileFault("a", 10, "first")]
    assert str(DefinitionsError(faults=faults)) == "a:10: first\nb:2: second"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("agent: W", "is not a name"),
        ("role: [x]", "must be a text"),
        ("role:", "must be a text, is empty"),
        ("description: 5", "put it in quotes"),
        ("prompt: writr", "unknown prompt 'writr' (did you mean 'writer'?)"),
        ("prompt: zzz", "unknown prompt 'zzz'; defined: writer"),
        ("prompt: writer@", "is not a name"),
        ("prompt: writer@A", "is not a name"),
        ("models: default", "must be a list"),
        ("models: []", "is empty"),
        ("models: [1]", "must hold texts"),
        ("models: [gpt]", "write default, or provider/name"),
        ("models: [openai/gpt, openai/gpt]", "is here twice"),
        ("models: [openai/gp]", "unknown model 'openai/gp' (did you mean 'openai/gpt'?)"),
        ("models: [new-cloud.ai/x]", "unknown model 'new-cloud.ai/x'; defined: "),
        ("temperature: 3", "from 0 to 2"),
        ("temperature: hot", "must be a number"),
        ("max_output_tokens: 0", "from 1 to"),
        ("max_output_tokens: 1.5", "whole number"),
        ("model: [default]", "did you mean 'models'?"),
    ],
)
def test_fields_of_an_agent(write, line, message):
    fields = {"agent": "agent: writer", "role": "role: writer", "prompt": "prompt: writer"}
    fields[line.partition(":")[0]] = line
    text = "\n".join(fields.values())
    fault = only(refused(write({"agents/writer.yaml": text}), models={"openai/gpt"}))
    assert fault.startswith(f"agents/writer.yaml:{list(fields.values()).index(line) + 1}: ")
    assert message in fault


def test_known_models_are_accepted_and_not_looked_up_without_a_list(write):
    root = write({"agents/writer.yaml": AGENT.replace("[default]", "[default, openai/gpt]")})
    assert load_directory(root, models={"openai/gpt"}).agents["writer"].models[1] == "openai/gpt"
    assert load_directory(root).agents["writer"].models[1] == "openai/gpt"
    assert "unknown model" in only(refused(root, models=set()))


@pytest.mark.parametrize("missing", ["agent", "role", "prompt"])
def test_an_agent_needs_its_fields(write, missing):
    text = "".join(line for line in AGENT.splitlines(True) if not line.startswith(missing))
    assert only(refused(write({"agents/writer.yaml": text}))) == (
        f"agents/writer.yaml:1: the agent has no {missing!r}"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text: x\n", "1: the prompt has no 'prompt'"),
        ("prompt: writer\n", "1: the prompt has no 'text'"),
        ("prompt: writer\ntext: ' '\n", "2: 'text' is empty"),
        ("prompt: w r\ntext: x\n", "1: 'w r' is not a name"),
        ("prompt: writer\ntext: x\ntexts: x\n", "3: unknown key 'texts'"),
        (f"prompt: writer\ntext: {'x' * 40_000}\n", "2: the prompt has 40000 characters"),
        ("- x\n", "1: a prompt must be a mapping"),
    ],
)
def test_fields_of_a_prompt(write, text, message):
    fault = only(refused(write({"prompts/writer.yaml": text})))
    assert fault.startswith(f"prompts/writer.yaml:{message}")


def test_an_agent_must_be_a_mapping(write):
    assert "must be a mapping" in only(refused(write({"agents/writer.yaml": "x\n"})))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "1: the file is empty"),
        (b"workflow: \xff\n", "1: not UTF-8"),
        ("a: &x [1]\nb: *x\n", "1: anchors and aliases"),
        ("workflow: v\nworkflow: w\n", "2: the key 'workflow' is here twice"),
        (f"# {'x' * MAX_FILE_BYTES}\n", "1: the file has"),
        ("steps: [\n", "2: not YAML"),
    ],
)
def test_files_that_cannot_be_read(write, content, message):
    faults = refused(write({"workflows/broken.yaml": content}))
    assert any(fault.startswith(f"workflows/broken.yaml:{message}") for fault in faults)


def test_a_broken_agent_is_not_also_an_unknown_agent(write):
    assert "not YAML" in only(refused(write({"agents/writer.yaml": "agent: [\n"})))


@pytest.mark.parametrize(
    ("folder", "kind", "text"),
    [
        ("workflows", "workflow", WORKFLOW),
        ("agents", "agent", AGENT),
        ("prompts", "prompt", PROMPT),
    ],
)
def test_two_files_with_one_name(write, folder, kind, text):
    fault = only(refused(write({f"{folder}/zz.yaml": text})))
    assert fault.startswith(f"{folder}/zz.yaml:1: {kind} ")
    assert "is defined in" in fault


def test_the_other_ending_is_not_passed_over(write):
    assert "rename it to end in .yaml" in only(refused(write({"agents/other.yml": AGENT})))


def test_a_folder_named_like_a_file(write, tmp_path):
    root = write({})
    (tmp_path / "agents" / "x.yaml").mkdir()
    assert "cannot be read" in only(refused(root))


def test_nothing_to_load(tmp_path):
    assert "no definitions here" in only(refused(tmp_path))
    assert "no definitions here" in only(refused(tmp_path / "missing"))


KEYS = st.sampled_from(
    ["workflow", "steps", "id", "needs", "agent", "input", "repeat", "until", "max", "output"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | KEYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)


@given(VALUES | st.dictionaries(KEYS, VALUES), st.sampled_from(["workflows", "agents", "prompts"]))
def test_any_yaml_loads_or_is_refused(tmp_path_factory, value, folder):
    root = tmp_path_factory.mktemp("definitions")
    (root / folder).mkdir()
    (root / folder / "x.yaml").write_text(yaml.safe_dump(value), encoding="utf-8")
    with contextlib.suppress(DefinitionsError):
        load_directory(root)


@given(st.binary(max_size=200))
def test_any_bytes_load_or_are_refused(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("definitions")
    (root / "workflows").mkdir()
    (root / "workflows" / "x.yaml").write_bytes(data)
    with pytest.raises(DefinitionsError):
        load_directory(root)
