import httpx
import pytest

from facilitair_testing.patient_http import PatientTransport


def answering(*statuses: int) -> tuple[httpx.MockTransport, list[bytes]]:
    """A server that answers so, the last one for ever, and the bodies that it was sent."""
    left, bodies = list(statuses), []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(left.pop(0) if len(left) > 1 else left[0], text="so")

    return httpx.MockTransport(answer), bodies


async def asked(server: httpx.MockTransport, *, patience_s: float) -> httpx.Response:
    transport = PatientTransport(server, patience_s=patience_s)
    async with httpx.AsyncClient(base_url="http://gateway", transport=transport) as http:
        return await http.post("/", content=b"body")


async def test_a_503_is_asked_again_with_the_same_body() -> None:
    server, bodies = answering(503, 503, 202)
    answer = await asked(server, patience_s=60)
    assert (answer.status_code, answer.text) == (202, "so")
    assert bodies == [b"body"] * 3


@pytest.mark.parametrize("status", [200, 404, 409, 500])
async def test_any_other_answer_is_the_answer(status: int) -> None:
    server, bodies = answering(status, 202)
    assert (await asked(server, patience_s=60)).status_code == status
    assert len(bodies) == 1


async def test_a_503_that_stays_is_the_answer() -> None:
    server, bodies = answering(503)
    assert (await asked(server, patience_s=0)).status_code == 503
    assert bodies
