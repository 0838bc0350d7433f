"""litellm: `python -m benchmarks.model_clients.litellm_sdk URL STREAMS`, in its own packages."""

import sys

import litellm

from benchmarks.model_clients.reading import read_all, run


async def _main(url: str, streams: int) -> None:
    async def read() -> int:
        answer = await litellm.acompletion(
            model="openai/scripted-model",
            api_base=f"{url}/v1",
            api_key="none",
            messages=[{"role": "user", "content": "Say something."}],
            stream=True,
            num_retries=0,
        )
        pieces = 0
        async for chunk in answer:
            pieces += bool(chunk.choices and chunk.choices[0].delta.content)
        return pieces

    await read_all(read, streams=streams)


if __name__ == "__main__":
    run(_main(sys.argv[1], int(sys.argv[2])))
