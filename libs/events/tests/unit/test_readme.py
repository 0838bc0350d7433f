import re

from facilitair_events.layout import checkout_root


def test_the_example_of_the_readme_runs():
    text = (checkout_root() / "libs" / "events" / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - our own words


def test_the_readme_names_every_module():
    text = (checkout_root() / "libs" / "events" / "README.md").read_text()
    package = checkout_root() / "libs" / "events" / "src" / "facilitair_events"
    named = set(re.findall(r"`([a-z_]+)`", text))
    assert {path.stem for path in package.glob("*.py")} - {"__init__", "errors"} <= named
