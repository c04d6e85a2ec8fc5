"""Quick looks before slow ones: they let through whatever the slow ones would find."""

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_fp.testing import strategies as any_of
from convsim_fp.users import slips, speech

PHRASES = (
    "as an AI language model, I",
    "As a large language model I",
    "I'm just an artificial intelligence.",
    "I am a language model",
    "Als KI-Assistent kann ich",
    "Como una IA, no puedo",
    "como inteligencia artificial soy",
    "En tant qu’IA, je",
    "How can I help you today?",
    "How may I assist you?",
    "Is there anything else that I can help",
    "Womit darf ich Ihnen heute helfen",
    "Kann ich dir sonst noch helfen",
    "¿En qué puedo ayudarte?",
    "¿Cómo le puedo ayudar?",
    "Comment puis-je vous aider",
    "Come posso aiutarla",
    "Como posso ajudá-la",
    "Como posso te ajudar",
    "本日はどのようなご用件",
    "他に何かお手伝いできること",
    "请问有什么可以帮您",
)
LOOKALIKES = {"i": "iIıİ", "s": "sSſ", "k": "kK\u212a"}


def test_each_phrase_of_an_agent_is_one() -> None:
    for phrase in PHRASES:
        assert slips.speaks_as_agent(phrase), phrase


@given(st.lists(st.sampled_from(PHRASES) | any_of.texts(), max_size=4), st.data())
def test_an_agent_is_heard_wherever_the_slow_look_hears_one(parts, data) -> None:
    """In any case, and with the letters that a regular expression takes for others."""
    letters = "".join(parts)
    shapes = [LOOKALIKES.get(one.lower(), one.lower() + one.upper()[:1]) for one in letters]
    text = "".join(data.draw(st.sampled_from(shape)) for shape in shapes[:60]) + letters[60:]
    assert slips.speaks_as_agent(text) == (slips.AGENT_PHRASE.search(text) is not None)


def test_no_other_letters_pass_for_those_of_a_phrase() -> None:
    """All code points: what stands for an ASCII letter becomes it."""
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    for found in re.finditer("[a-z]", every, re.IGNORECASE):
        folded = slips.folded(found[0])
        assert re.fullmatch(found[0], folded, re.IGNORECASE)
        assert folded.isascii()


@given(st.lists(st.sampled_from(("<", "[", "|im_end|>", "/INST]", "</agent>", "eos>", "x"))))
def test_a_template_is_seen_wherever_the_slow_look_sees_one(parts) -> None:
    text = "".join(parts)
    assert slips.has_template(text) == (slips.TEMPLATE.search(text) is not None)


@given(st.lists(st.sampled_from(("**", "__", "[", "#", ":", "：", "agent", "AI", "]", " ", "\n"))))
def test_a_label_has_one_of_its_marks(parts) -> None:
    text = "".join(parts)
    if slips.AGENT_LABEL.match(text) or slips.USER_LABEL.match(text):
        assert any(mark in text for mark in slips.IN_A_LABEL)


@given(any_of.texts(), any_of.texts())
def test_texts_with_the_same_words_begin_with_the_same_word(one: str, other: str) -> None:
    for text in (other, f"  {one.upper()}!", f"{one} ", one):
        if speech._plain(text) == speech._plain(one):
            assert speech._begins(text) == speech._begins(one)


def test_no_letter_has_a_space_in_its_plain_form() -> None:
    letters = re.findall(r"\w", "".join(map(chr, range(sys.maxunicode + 1))))
    assert len(letters) > 100_000
    assert not [one for one in letters if re.search(r"\s", one.casefold())]


@pytest.mark.parametrize("text", ["", "!", " ", "\ud800"])
def test_a_text_without_words_begins_with_none(text: str) -> None:
    assert speech._begins(text) == ""
