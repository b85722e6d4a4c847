"""What programs written for OpenAI's Python client expect of a server."""

import asyncio

import openai
from openai import AsyncOpenAI, OpenAI

client = OpenAI(max_retries=0, timeout=120)
MODEL = client.models.list().data[0].id
DOG = [{"role": "user", "content": "Tell me a story about a dog."}]


def chat(**options):
    options = {"model": MODEL, "messages": DOG, "max_tokens": 12, "temperature": 0} | options
    return client.chat.completions.create(**options)


def refused(kind, status, code, param, call):
    """The error that a call must raise."""
    try:
        call()
    except kind as error:
        assert error.status_code == status, error
        assert error.code == code, error.body
        assert error.param == param, error.body
        assert error.body["message"], error.body
        assert error.response.headers["x-request-id"], error.response.headers
        return error
    raise AssertionError(f"want {kind.__name__}, got an answer")


def test_models():
    assert client.models.retrieve(MODEL).id == MODEL


def test_chat():
    answer = chat()
    choice = answer.choices[0]
    assert answer.object == "chat.completion" and answer.model == MODEL
    assert choice.message.role == "assistant" and len(choice.message.content) > 20
    assert choice.finish_reason == "length"
    usage = answer.usage
    assert usage.completion_tokens == 12 and usage.prompt_tokens > 5
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_streaming():
    whole = chat().choices[0].message.content
    chunks = list(chat(stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    parts = [it.choices[0].delta.content or "" for it in chunks]
    assert "".join(parts) == whole
    assert sum(bool(it) for it in parts) > 5
    assert [it.choices[0].finish_reason for it in chunks if it.choices[0].finish_reason] == ["length"]
    assert len({it.id for it in chunks}) == 1
    assert all(it.usage is None for it in chunks)


def test_streaming_usage():
    chunks = list(chat(stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == 12
    assert all(it.usage is None for it in chunks[:-1])


def test_leaving_a_stream():
    with chat(stream=True, max_tokens=300) as stream:
        next(iter(stream))
    assert chat(max_tokens=1).usage.completion_tokens == 1


def test_stop():
    text = chat().choices[0].message.content
    word = text.split()[4]
    answer = chat(stop=[word])
    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content == text[: text.index(word)]


def test_n():
    answer = chat(n=2, temperature=1, seed=1)
    assert [it.index for it in answer.choices] == [0, 1]
    first, second = (it.message.content for it in answer.choices)
    assert first != second
    assert answer.usage.completion_tokens == 24
    by_index = {0: "", 1: ""}
    for chunk in chat(n=2, temperature=1, seed=1, stream=True):
        for choice in chunk.choices:
            by_index[choice.index] += choice.delta.content or ""
    assert by_index == {0: first, 1: second}


def test_seed():
    def told(seed):
        return chat(temperature=1, seed=seed).choices[0].message.content

    assert told(5) == told(5) != told(6)


def test_max_completion_tokens():
    answer = client.chat.completions.create(
        model=MODEL, messages=DOG, max_completion_tokens=3, temperature=0
    )
    assert answer.usage.completion_tokens == 3


def test_logprobs():
    choice = chat(logprobs=True, top_logprobs=3, max_tokens=6).choices[0]
    entries = choice.logprobs.content
    assert len(entries) == 6
    text = b"".join(bytes(it.bytes) for it in entries).decode()
    assert text.strip() == choice.message.content.strip()
    for entry in entries:
        best = [it.logprob for it in entry.top_logprobs]
        assert len(best) == 3 and best == sorted(best, reverse=True) and best[0] <= 0
        # Temperature 0 takes the likeliest.
        assert abs(entry.logprob - best[0]) < 1e-6 and entry.token == entry.top_logprobs[0].token
    streamed = [
        entry
        for chunk in chat(logprobs=True, top_logprobs=3, max_tokens=6, stream=True)
        if chunk.choices and chunk.choices[0].logprobs
        for entry in chunk.choices[0].logprobs.content
    ]
    assert [it.token for it in streamed] == [it.token for it in entries]


def test_logit_bias():
    free = chat(logprobs=True, top_logprobs=1, max_tokens=1).choices[0].logprobs.content[0].token
    root = str(client.base_url).removesuffix("v1/")
    tokens = client.post(f"{root}tokenize", body={"prompt": free}, cast_to=object)["tokens"]
    biased = chat(logit_bias={str(tokens[0]): -100}, max_tokens=1).choices[0].message.content
    assert biased != free


def test_completions():
    answer = client.completions.create(
        model=MODEL, prompt="Once upon a", max_tokens=4, temperature=0, logprobs=2
    )
    assert answer.choices[0].text.startswith(" time"), answer.choices[0].text
    assert len(answer.choices[0].logprobs.tokens) == 4
    parts = client.completions.create(
        model=MODEL, prompt="Once upon a", max_tokens=4, temperature=0, stream=True
    )
    assert "".join(it.choices[0].text for it in parts) == answer.choices[0].text


def test_errors():
    refused(openai.NotFoundError, 404, "model_not_found", "model", lambda: chat(model="none"))
    refused(openai.BadRequestError, 400, "context_length_exceeded", "messages",
            lambda: chat(messages=[{"role": "user", "content": "word " * 3000}]))
    error = refused(openai.BadRequestError, 400, "unsupported_parameter", "tools",
                    lambda: chat(tools=[{"type": "function", "function": {"name": "f"}}]))
    assert "tools" in error.body["message"]
    for param, value in [("temperature", 3), ("top_p", -1), ("max_tokens", 0), ("n", 0)]:
        error = refused(openai.BadRequestError, 400, "invalid_value", param,
                        lambda: chat(**{param: value}))
        assert error.type == "invalid_request_error", error.body


def test_concurrency():
    """Answers do not depend on what else the server does."""
    seeds = range(6)
    alone = [chat(temperature=1, seed=it).choices[0].message.content for it in seeds]

    async def together():
        async with AsyncOpenAI(max_retries=0, timeout=120) as peer:
            answers = await asyncio.gather(*(
                peer.chat.completions.create(
                    model=MODEL, messages=DOG, max_tokens=12, temperature=1, seed=it)
                for it in seeds))
        return [it.choices[0].message.content for it in answers]

    assert asyncio.run(together()) == alone


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            print(name, flush=True)
            test()
    print("all passed")
