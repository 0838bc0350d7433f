"""What kill -9 leaves behind: every acked record, dense offsets, a log that goes on."""

import random
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from facilitair_messaging.adapters.embedded import EmbeddedLog
from facilitair_messaging.ports import Message, Record, TopicPartition
from facilitair_testing.topics import topic_spec

pytestmark = pytest.mark.integration

APPENDER = Path(__file__).with_name("embedded_appender.py")
SPEC = topic_spec("t", partitions=3)
TPS = [TopicPartition("t", number) for number in range(3)]


def append_and_kill(path: Path, *, after_acks: int) -> list[tuple[int, int, str]]:
    """Run the appender, kill it after so many acks, and return all that it managed to print."""
    arguments = [sys.executable, str(APPENDER), str(path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        lines = []
        for line in child.stdout:
            lines.append(line)
            if len(lines) == after_acks:
                child.kill()
        assert child.wait(60) == -signal.SIGKILL
    acks = [line.split() for line in lines if line.endswith("\n")]
    return [(int(partition), int(offset), name) for partition, offset, name in acks]


async def read_everything(log: EmbeddedLog) -> list[Record]:
    found: list[Record] = []
    ends = await log.admin().end_offsets(TPS)
    async with log.reader() as reader:
        reader.assign(dict.fromkeys(TPS, 0))
        while reader.positions() != ends:
            found.extend(await reader.poll(max_records=1000, wait_s=0))
    return found


async def assert_all_there(path: Path, acks: list[tuple[int, int, str]]) -> None:
    async with EmbeddedLog.open(path, {"t": SPEC}) as log:
        found = {(r.partition, r.offset): r for r in await read_everything(log)}
        for partition, offset, name in acks:
            record = found[partition, offset]
            assert (record.key, record.value) == (name.encode(), name.encode() * 20)
        for tp, end in (await log.admin().end_offsets(TPS)).items():
            assert [o for p, o in sorted(found) if p == tp.partition] == list(range(end))
        async with log.producer() as producer:
            (ack,) = await producer.send([Message("t", b"after", b"after")])
        assert (ack.partition, ack.offset) not in found


async def test_a_thousand_acked_records_survive_sigkill(tmp_path: Path):
    path = tmp_path / "log.db"
    acks = append_and_kill(path, after_acks=1000)
    assert len(acks) >= 1000
    await assert_all_there(path, acks)


@pytest.mark.parametrize("seed", range(4))
async def test_records_acked_before_a_random_kill_survive_again_and_again(
    tmp_path: Path, seed: int
):
    path = tmp_path / "log.db"
    moments = random.Random(seed)
    acks: list[tuple[int, int, str]] = []
    for _ in range(2):
        acks += append_and_kill(path, after_acks=moments.randint(1, 400))
        await assert_all_there(path, acks)


async def test_a_loop_that_ends_without_closing_the_log_does_not_hang_the_process(
    tmp_path: Path,
):
    script = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from facilitair_messaging.adapters.embedded import EmbeddedLog\n"
        "async def main():\n"
        "    opened = EmbeddedLog.open(Path(sys.argv[1]), {})\n"
        "    await opened.__aenter__()\n"
        "    loop = asyncio.get_running_loop()\n"
        "    loop.stop()\n"
        "loop = asyncio.new_event_loop()\n"
        "task = loop.create_task(main())\n"
        "loop.run_forever()\n"
        "loop.close()\n"
        "print('over')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "log.db")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "over\n"), done.stderr


async def test_r35_a_killed_opener_leaves_no_lock(tmp_path: Path):
    path = tmp_path / "log.db"
    append_and_kill(path, after_acks=1)
    with closing(path.with_name("log.db.lock").open()) as side:
        assert int(side.read()) > 0
    async with EmbeddedLog.open(path, {}):
        pass
