"""Take models and prices from genai-prices into `models/seed/` (`python -m tools.model_prices`).

Developers run it; services read what it wrote. `tools/model_selection.yaml` says what is taken.
What the prices' source does not know (the longest answer, capabilities) comes from another list of
models. Both are installed from locks, each into an environment of its own, and neither is imported
here.
"""

import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from facilitair_native.cache import cache_folder
from tools.model_seeds import Taken, record, seed_text, take

ROOT: Final = Path(__file__).resolve().parent.parent
TOOLS: Final = ROOT / "tools"
SEED: Final = ROOT / "models" / "seed"
COSTS: Final = ROOT / "libs/llm/tests/unit/golden/costs.json"
"""What the source itself makes of some usages; our tests compare."""
FACTS: Final = "litellm/model_prices_and_context_window_backup.json"


def main() -> int:
    """Write the seeds and the record of what was taken when."""
    today = dt.datetime.now(tz=dt.UTC).date()
    selection = yaml.safe_load((TOOLS / "model_selection.yaml").read_text(encoding="utf-8"))
    wanted = [provider["prices"] for provider in selection["providers"].values()]
    python = _environment("model_prices") / "bin" / "python"
    snapshot = json.loads(_run([python, TOOLS / "model_snapshot.py", *wanted]))
    content = next(_environment("model_facts").glob(f"lib/python*/site-packages/{FACTS}"))
    facts: dict[str, Any] = json.loads(content.read_bytes())
    taken: dict[str, Taken] = {}
    texts: dict[str, str] = {}
    for name, chosen in selection["providers"].items():
        known = snapshot["providers"][chosen["prices"]]
        taken[name] = take(chosen, known=known, facts=facts, today=today)
        texts[name] = seed_text(name, taken[name], source=selection["sources"]["prices"])
    digests = {
        "prices": snapshot["sha256"],
        "facts": hashlib.sha256(content.read_bytes()).hexdigest(),
    }
    SEED.mkdir(exist_ok=True)
    for name, text in texts.items():
        (SEED / f"{name}.yaml").write_text(text, encoding="utf-8")
    told = record(selection["sources"], digests=digests, taken=taken, texts=texts, today=today)
    (SEED / "record.json").write_text(told, encoding="utf-8")
    _write_costs(python, selection["providers"], taken=taken, today=today)
    print(told, end="")
    return 0


def _write_costs(
    python: Path,
    chosen: Mapping[str, Any],
    *,
    taken: Mapping[str, Taken],
    today: dt.date,
) -> None:
    ours = {chosen[name]["prices"]: name for name in taken}
    models = {chosen[name]["prices"]: list(one.entries) for name, one in taken.items()}
    asked = json.dumps({"at": today.isoformat(), "models": models}).encode()
    rows = json.loads(_run([python, TOOLS / "model_costs.py"], stdin=asked))
    lines = [json.dumps(row | {"provider": ours[row["provider"]]}) for row in rows]
    text = ",\n".join(lines)
    COSTS.write_text(f'{{"at": "{today}", "rows": [\n{text}\n]}}\n', encoding="utf-8")


def _run(command: Sequence[str | Path], *, stdin: bytes | None = None) -> bytes:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, input=stdin).stdout


def _environment(name: str) -> Path:
    """The environment of a lock, made once. Raises CalledProcessError when it cannot be had."""
    lock = TOOLS / f"{name}.lock"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = cache_folder(os.environ) / "tools" / f"{name}-{digest}"
    if not (folder / "complete").exists():
        uv = str(Path(sys.executable).with_name("uv"))
        python = folder / "bin" / "python"
        make = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)]
        subprocess.run(make, check=True)
        # What else the packages need is in the lock if it is needed here.
        install = [uv, "pip", "install", "--quiet", "--no-config", "--require-hashes", "--no-deps"]
        subprocess.run([*install, "--python", str(python), "-r", str(lock)], check=True)
        (folder / "complete").touch()
    return folder


if __name__ == "__main__":
    sys.exit(main())
