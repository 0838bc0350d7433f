"""The openai SDK, in its own packages: `… benchmarks.model_clients.openai_sdk URL STREAMS`."""

import sys

from openai import AsyncOpenAI

from benchmarks.model_clients.reading import read_all, run


async def _main(url: str, streams: int) -> None:
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:

        async def read() -> int:
            answer = await client.chat.completions.create(
                model="scripted-model",
                messages=[{"role": "user", "content": "Say something."}],
                stream=True,
            )
            pieces = 0
            async for chunk in answer:
                pieces += bool(chunk.choices and chunk.choices[0].delta.content)
            return pieces

        await read_all(read, streams=streams)


if __name__ == "__main__":
    run(_main(sys.argv[1], int(sys.argv[2])))
