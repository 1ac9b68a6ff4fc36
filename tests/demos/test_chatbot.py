"""The chatbot: signatures, commands, and answers that follow later."""

import asyncio
import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from demos.chatbot import signer


@pytest.fixture
def send(chatbot):
    """Send what the platform would send; give the status and the answer."""

    async def send(interaction, **changes):
        request = signer.signed(interaction, **changes)
        return await answered(chatbot, request)

    return send


async def answered(chatbot, request):
    response = await chatbot.fetch("webhook", "/interactions", **request)
    text = await response.text()
    return response.status, json.loads(text) if response.ok else text


def text_of(answer):
    status, interaction = answer
    assert (status, interaction["type"]) == (200, 4)
    return interaction["data"]["content"]


async def test_a_ping_is_answered_with_a_pong(send):
    assert await send(signer.PING) == (200, {"type": 1})


async def test_a_request_of_another_key_is_refused(send):
    assert await send(signer.PING, key=Ed25519PrivateKey.generate()) == (
        401, "invalid request signature\n"
    )  # fmt: skip


def changed_body(request):
    request["body"] = request["body"].replace(b"1", b"2")


def changed_time(request):
    request["headers"]["x-signature-timestamp"] = str(int(time.time()) + 1)


def no_signature(request):
    del request["headers"]["x-signature-ed25519"]


def no_time(request):
    del request["headers"]["x-signature-timestamp"]


def half_a_signature(request):
    request["headers"]["x-signature-ed25519"] = request["headers"]["x-signature-ed25519"][:64]


def no_hexadecimal(request):
    request["headers"]["x-signature-ed25519"] = "zz" * 64


def zeros(request):
    request["headers"]["x-signature-ed25519"] = "00" * 64


def broken_json(request):
    request["body"] = b"{"


@pytest.mark.parametrize(
    "harm",
    [changed_body, changed_time, no_signature, no_time, half_a_signature, no_hexadecimal, zeros,
     broken_json],
)  # fmt: skip
async def test_a_request_that_was_tampered_with_is_refused(chatbot, harm):
    request = signer.signed(signer.PING)
    harm(request)
    assert (await answered(chatbot, request))[0] == 401


@pytest.mark.parametrize("age", [301, -400, 1e6])
async def test_a_request_that_is_played_again_later_is_refused(send, age):
    assert (await send(signer.PING, at=time.time() - age))[0] == 401


async def test_a_time_that_is_no_number_is_refused_though_it_is_signed(chatbot):
    request = signer.signed(signer.PING)
    request["headers"]["x-signature-timestamp"] = "soon"
    signature = signer.KEY.sign(b"soon" + request["body"])
    request["headers"]["x-signature-ed25519"] = signature.hex()
    assert (await answered(chatbot, request))[0] == 401


async def test_only_posts_are_answered(chatbot):
    assert (await chatbot.fetch("webhook", "/")).status == 405


@pytest.mark.parametrize(
    "interaction", [{}, [], 1, {"type": 3}, {"type": 2}, {"type": 2, "data": 1}]
)
async def test_an_interaction_that_nobody_knows_is_a_bad_request(send, interaction):
    assert await send(interaction) == (400, "there is no such interaction\n")


async def test_a_command_is_a_method_of_the_bot(send):
    thrown, total = text_of(await send(signer.command("roll", "3d6"))).split(" = ")
    dice = [int(each) for each in thrown.split(" + ")]
    assert len(dice) == 3
    assert all(1 <= each <= 6 for each in dice)
    assert sum(dice) == int(total)
    assert "/roll 2d6" in text_of(await send(signer.command("help")))


async def test_a_mistake_is_answered_to_its_user_alone(send):
    _, answer = await send(signer.command("roll", "21d6"))
    assert answer["data"] == {
        "content": "/roll: dice look like 2d6, and are 20 at most",
        "flags": 64,
    }


@pytest.mark.parametrize(
    ("name", "hint"), [("rol", "did you mean /roll? "), ("dance", ""), ("__class__", "")]
)
async def test_an_unknown_command_is_answered_with_what_there_is(send, name, hint):
    said = text_of(await send(signer.command(name)))
    assert said == f"I know no /{name}; {hint}I know /help, /roll, /think"


async def test_a_method_that_is_not_on_the_list_is_not_called(send, chatbot):
    for name in ("reset_everything", "fetch", "dup"):
        assert "I know no" in text_of(await send(signer.command(name)))
    with pytest.raises(AssertionError):  # a binding alone would have called it
        await chatbot.bind(BOT="bot#Commands").BOT["reset_everything"]()


async def test_O7_C27_an_answer_that_takes_time_follows_later(send, chatbot):
    env = chatbot.bind(SCREEN="platform#Screen")
    interaction = signer.command("think", "what is a stub?", token="abc")
    assert await send(interaction) == (200, {"type": 5})
    assert await env.SCREEN.messages("abc") == []
    await asyncio.sleep(4)
    assert await env.SCREEN.messages("abc") == [
        "I have thought about “what is a stub?”. It depends."
    ]
    assert await env.SCREEN.messages("abcd") == []
    assert not chatbot.leaks()


async def test_two_answers_that_take_time_reach_their_own_askers(send, chatbot):
    env = chatbot.bind(SCREEN="platform#Screen")
    for token in ("a", "b"):
        await send(signer.command("think", token, token=token))
    await asyncio.sleep(4)
    assert ["“a”" in (await env.SCREEN.messages("a"))[0], len(await env.SCREEN.messages("b"))] == [
        True, 1
    ]  # fmt: skip


@pytest.mark.expects_reports
async def test_an_answer_that_the_platform_does_not_take_is_reported(send, chatbot, caplog):
    await send(signer.command("think", "of paths", token="a/b"))
    await asyncio.sleep(4)
    assert "the platform did not take the message: 404" in caplog.text


def test_the_configuration_trusts_the_signer(chatbot):
    assert signer.PUBLIC_KEY == chatbot.worker("webhook").env.PUBLIC_KEY
