"""Taking a model's reply as the user's words: what is sent as it is, cleaned, or refused."""

import pytest

from convsim_fp.core import Message, TestCase, View
from convsim_fp.users.speech import Unusable, read_speech

GOAL = "Return the red shoes and get the money back to the card"
OPENING = View(TestCase(goal=GOAL), turn=1)
ANSWER = "I have found your order W7. It was sent to you on Monday."
LATER = View(
    TestCase(goal=GOAL), 2, (Message("user", "Where are my shoes?"), Message("agent", ANSWER))
)

NATURAL = (
    "can you help me?",
    "hi",
    "42",
    "no. NO.",
    "...",
    "How can I help you find it?",
    "Is there anything else I can do?",
    "Could you tell me how I can help my son?",
    "¿Cómo puedo ayudar a mi hijo?",
    'Your bot only says "How can I help you?" all day.',
    "As an AI you should know that.",
    "I'm an AI researcher and need a visa.",
    "Am I writing to an AI assistant?",
    "Name: Jo\nUser: jdoe",
    "User: jdoe\nPassword: forgotten",
    "Policy: 123\nAgent: Smith\nDate: 3 May",
    "Agent: Smith\nPolicy: 123",
    "Policy: 123\nAgent: Smith",
    "Agent: K\nPolicy: 123",
    "Agent: Anna Maria Smith\n\nPolicy: 123",
    "Agent: " + "S" * 30 + "\nPolicy: 123",
    "System: Windows 11\nBrowser: Firefox",
    "System: Windows 11",
    "User name: jdoe",
    "User interface: broken",
    "User 7: that is me",
    "Customer service: they hung up on me",
    "I asked the assistant: no answer.",
    "The page says Agent: offline",
    "10:30 works",
    "My colleague said: user: unknown",
    "[user] is missing in the form",
    "« Bonjour » m'a répondu votre collègue, puis « non »",
    '"No" is not an answer, and neither is "later"',
    "'Tis fine, don't worry",
    "„Ja“ oder nein“",
    "„Ja oder „nein“",
    '""Yes"',
    '"Yes""',
    'my TV is 55"',
    "it is 5'10\"",
    "It says <b>error</b> & then </div>",
    "the price was <s>10</s>",
    'The log says {"error": 5, "message": "not found"}',
    "int main() { return 0; }",
    "{goal} is what it says",
    "see https://example.org/a?b=c#d",
    "* first this\n* then that",
    "# 12",
    "我的订单在哪里？",
    "注文番号：12345",
    "Kundennummer: 12",
    "أين طلبي؟",
    "где мой заказ: W7?",
    "🙂",
    "\u202eright to left",
    "a\u2028b\x00c\ud800",
    "I think about it. And you?",
    "Thinking: is that all?",
)


@pytest.mark.parametrize("words", NATURAL)
def test_what_a_person_writes_is_sent_as_it_is(words: str) -> None:
    assert read_speech(words, OPENING) == words
    assert read_speech(f"\n  {words}\t\r\n", LATER) == words


CLEANED = (
    ("User: Hi", "Hi"),
    ("user : Hi", "Hi"),
    ("**User:** Hi", "Hi"),
    ("**User**: Hi", "Hi"),
    ("[User]: Hi", "Hi"),
    ("<user>: Hi", "Hi"),
    ("### User:\nHi", "Hi"),
    ("## Customer\nHi", "Hi"),
    ("[USER]\nHi", "Hi"),
    ("Simulated user (Maria): Hi", "Hi"),
    ("Human: Hi", "Hi"),
    ("Client: I need help.\nDeadline: none", "I need help.\nDeadline: none"),
    ("Kundin: Guten Tag.", "Guten Tag."),
    ("Usuaria: hola", "hola"),
    ("Utilisateur : Bonjour", "Bonjour"),
    ("Utilisatrice\u00a0: Bonjour", "Bonjour"),
    ("Пользователь: привет", "привет"),
    ("ユーザー：こんにちは", "こんにちは"),
    ("用户：你好", "你好"),
    ("고객: 안녕하세요", "안녕하세요"),
    ('"Hi"', "Hi"),
    ("'I don't know'", "I don't know"),
    ("“Hi”", "Hi"),
    ("„Hallo“", "Hallo"),
    ("« Où est-il ? »", "Où est-il ?"),
    ("「もしもし」", "もしもし"),
    ("\"'Hi'\"", "Hi"),
    ('"User: Hi"', "Hi"),
    ('User: "Hi"', "Hi"),
    ("<user>Hi</user>", "Hi"),
    ("<message>\nHi\n</message>", "Hi"),
    ("<think>The user wants shoes.</think>\nHi", "Hi"),
    ("[THINK]hm[/THINK]Hi", "Hi"),
    ("<think>a</think>\n<thinking>b</thinking>\nUser: Hi", "Hi"),
    ("I should ask.\n</think>\n\nHi", "Hi"),
    ('"<think>a</think>Hi"', "Hi"),
    ("Hi<|im_end|>\n", "Hi"),
    ('<think>x</think>**User:** "<user>Hi</user>"<|eot_id|>', "Hi"),
)


@pytest.mark.parametrize(("reply", "words"), CLEANED)
def test_what_is_plainly_not_speech_is_taken_off(reply: str, words: str) -> None:
    assert read_speech(reply, OPENING) == words
    assert read_speech(words, OPENING) == words


NO_WORDS = "it has no words to send"
THINKS = "it shows how you think; write only the user's words"
SECOND = "it speaks for the agent too; write only the user's words"
MORE = "it holds more than one message; write only the next one"
WRONG_ROLE = "it speaks as the agent; you are the user"
RECITES = "it recites the goal; begin with a natural first step instead"

REFUSED = (
    ("", NO_WORDS),
    (" \n\t", NO_WORDS),
    ('""', NO_WORDS),
    ("User:", NO_WORDS),
    ("<think>I never come to an end", NO_WORDS),
    ("<user> </user>", NO_WORDS),
    ("<|im_end|>", NO_WORDS),
    ("I should ask. </think> Hi", THINKS),
    ("Hi <think>or not?</think> there", THINKS),
    ("Agent: It is on its way.", SECOND),
    ("Hi\nAgent: Hello, Jo.\nUser: Where is it?", SECOND),
    ("Hi\n\n**Assistant:** Sure.", SECOND),
    ("Hi\n[ASSISTANT]\nSure.", SECOND),
    ("Hi\n### Agent\nSure.", SECOND),
    ("Support agent: Smith here", SECOND),
    ("Order: W7\nAgent: It is on its way.", SECOND),
    ("AI: yes", SECOND),
    ("Hola\nAsistente: Claro.", SECOND),
    ("エージェント：かしこまりました", SECOND),
    ("어시스턴트: 네, 알겠습니다", SECOND),
    ("Agent: Anna Maria von Smith\nPolicy: 123", SECOND),
    ("Agent: " + "S" * 31 + "\nPolicy: 123", SECOND),
    ("Policy: 123\nthat is all\nAgent: Smith", SECOND),
    ("Agent: Smith\nthat is all\nPolicy: 123", SECOND),
    ("Agent:\nPolicy: 123", SECOND),
    ("<agent>\nSure.\n</agent>", SECOND),
    ("Hi</agent>", SECOND),
    ("<|im_start|>user\nHi", SECOND),
    ("Hi<|im_end|><|im_end|>", SECOND),
    ("[INST] Hi [/INST]", SECOND),
    ("<message>a</message><message>b</message>", SECOND),
    ("<user>Hi", SECOND),
    ("User: Hi\nUser: Hello?", MORE),
    ("User: User: Hi", MORE),
    ("Customer: Hi.\n\nCustomer: Are you there?", MORE),
    ("As an AI language model, I cannot do that.", WRONG_ROLE),
    ("I'm an AI assistant.", WRONG_ROLE),
    ("I am an AI and have no shoes", WRONG_ROLE),
    ("How can I help you?", WRONG_ROLE),
    ("Hello! How may I assist you today?", WRONG_ROLE),
    ("Hi, how can I help you with your order?", WRONG_ROLE),
    ("Sure. Is there anything else I can help you with?", WRONG_ROLE),
    ("Guten Tag! Wie kann ich Ihnen heute weiterhelfen?", WRONG_ROLE),
    ("¿En qué puedo ayudarle?", WRONG_ROLE),
    ("Bonjour, comment puis-je vous aider ?", WRONG_ROLE),
    ("Buongiorno. Come posso aiutarla?", WRONG_ROLE),
    ("Olá! Como posso te ajudar?", WRONG_ROLE),
    ("どのようなご用件でしょうか。", WRONG_ROLE),
    ("您好，请问有什么可以帮您的吗？", WRONG_ROLE),
)


@pytest.mark.parametrize(("reply", "because"), REFUSED)
def test_what_cannot_be_the_users_message_is_refused_with_the_reason(
    reply: str, because: str
) -> None:
    assert read_speech(reply, LATER) == Unusable(because)


def test_repeating_what_the_agent_just_said_is_the_wrong_role() -> None:
    assert read_speech(f'"{ANSWER.upper()}!"', LATER) == Unusable(WRONG_ROLE)


def test_repeating_something_short_or_ones_own_words_is_natural() -> None:
    own = "Where are the red shoes that I have been waiting for?"
    short = "y" * 39
    said = (Message("user", own), Message("agent", short))
    assert read_speech(short, View(TestCase(goal=GOAL), 2, said)) == short
    longer = (Message("user", own), Message("agent", f"{short}y"))
    view = View(TestCase(goal=GOAL), 2, longer)
    assert read_speech(f"{short}y", view) == Unusable(WRONG_ROLE)
    assert read_speech(own, view) == own
    assert read_speech(own, View(TestCase(goal=GOAL), 2, said[:1])) == own


RECITED = "Hi! I want to: return the red shoes, and get the money back to the card."


def test_a_first_message_that_recites_the_goal_is_refused() -> None:
    assert read_speech(RECITED, OPENING) == Unusable(RECITES)


def test_the_goal_may_be_said_later_or_where_there_are_guidelines_or_when_it_is_short() -> None:
    assert read_speech(RECITED, LATER) == RECITED
    guided = TestCase(goal=GOAL, simulation_guidelines="Say at once what you want.")
    assert read_speech(RECITED, View(guided, 1)) == RECITED
    assert read_speech("x" * 40, View(TestCase(goal="x" * 39), 1)) == "x" * 40
    assert read_speech("x" * 40, View(TestCase(goal="x" * 40), 1)) == Unusable(RECITES)
