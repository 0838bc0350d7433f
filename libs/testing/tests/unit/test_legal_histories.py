"""Legal histories of every shape are judged legal."""

from facilitair_testing.doctored_scene import Scene
from facilitair_testing.history import judge


def test_a_run_with_something_of_everything_is_legal() -> None:
    scene = Scene()
    assert judge(scene.run.history(), lease_ms=scene.run.lease_ms) == []
