import subprocess
import sys

from msgspec import structs

from facilitair_messaging.crash_points import POINTS
from facilitair_testing.crash_table import Row, cells, read_rows, table, twice, write_rows

DIED = Row(
    service="gateway",
    point="before_reply",
    log="solo",
    n=2,
    reached=True,
    violations=(),
    recovery_s=1.25,
)
VOID = Row(
    service="agent-worker",
    point="after_claim",
    log="kafka",
    n=1,
    reached=False,
    violations=("R19 local:x: two requests",),
    recovery_s=None,
)
A_TEST = """
from facilitair_testing.crash_table import Row

def test_cell(keep_row):
    keep_row(Row(service="gateway", point="before_reply", log="solo", n=2, reached=False,
                 violations=(), recovery_s=None))
    assert False
"""


def test_the_cells_of_a_service_are_its_points():
    found = cells("gateway", "orchestrator", n=3)
    assert {(cell.service, cell.point) for cell in found} == {
        (service, point)
        for point, services in POINTS.items()
        for service in services
        if service in {"gateway", "orchestrator"}
    }
    assert found[0].specs == (f"gateway/{found[0].point}:3",)


def test_who_dies_twice_dies_at_two_points_of_one_service():
    for cell in twice("orchestrator", "agent-worker"):
        first, then = cell.points
        assert first != then
        assert all(cell.service in POINTS[point] for point in cell.points)
        assert cell.specs == (f"{cell.service}/{first}:2", f"{cell.service}/{then}")


def test_rows_are_shown_in_order_and_what_is_void_loudly():
    assert table([DIED, VOID]) == [
        "service       point         log    n  reached  violations  recovery",
        "agent-worker  after_claim   kafka  1  VOID     1           -",
        "gateway       before_reply  solo   2  yes      0           1.2 s",
    ]


def test_who_died_twice_is_shown_behind_who_died_there_once():
    again = structs.replace(DIED, point="before_reply, then after_decode")
    lines = table([again, DIED])
    assert [line.split("  ")[1] for line in lines[1:]] == [
        "before_reply",
        "before_reply, then after_decode",
    ]


def test_what_was_kept_is_read_again(tmp_path):
    write_rows([DIED, VOID], tmp_path / "rows.json")
    assert read_rows(tmp_path / "rows.json") == [DIED, VOID]


def test_rows_of_failed_cells_are_printed_and_kept_too(tmp_path):
    (tmp_path / "test_it.py").write_text(A_TEST)
    kept = tmp_path / "rows.json"
    plugin = ("-p", "facilitair_testing.crash_report", "-p", "no:cacheprovider")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "/dev/null", *plugin, f"--crash-table={kept}", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "gateway  before_reply  solo  2  VOID     0           -" in ran.stdout
    assert [row.point for row in read_rows(kept)] == ["before_reply"]
