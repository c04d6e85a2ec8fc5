"""By what a model gives away that it wrote for somebody else: labels, tokens, phrases.

Labels count at the beginning of a line only, and not in a form ("User: jdoe" above "Password: …"),
phrases only where they begin a sentence: people quote one another, and paste what they see.
"""

from __future__ import annotations

import re

__all__ = [
    "END_TOKEN",
    "first_label",
    "folded",
    "has_template",
    "speaks_as_agent",
    "speaks_for_agent",
]

USER_NAMES = (
    "the user|simulated user|user|customer|client|human"
    "|(?:be)?nutzer(?:in)?|kund(?:e|in)|usuari[oa]|cliente|utilisat(?:eur|rice)|utente|usuári[oa]"
    "|gebruiker|klant|użytkownik|klient(?:ka)?|пользователь|клиент"
    "|ユーザー?|お客様|用户|使用者|客户|사용자|고객"
)
AGENT_NAMES = (
    "(?:the |support |service |customer service |customer support |ai )?agent"
    "|(?:the |ai |virtual )?assistant|ai|(?:chat)?bot"
    "|assistentin|assistente?|agente|asistente|assistante|ассистент|агент"
    "|エージェント|アシスタント|助手|客服|상담원|어시스턴트"
)
# Marked, parenthesised and with a colon: "**User** (Jo):"; or marked, on a line of its own.
LABEL = (
    r"[ \t]*+(?:\*\*|__|[<\[]|\#{{1,6}})?+[ \t]*+(?:{names})(?:\*\*|__|[>\]])?+"
    r"[ \t]*+(?:\([^()\n]{{0,40}}\))?+[ \t\xa0\u202f]*+[:：](?:\*\*|__)?+[ \t]*+"
    r"|[ \t]*+(?:\*\*|__|\[|\#{{1,6}})[ \t]*+(?:{names})(?:\*\*|__|\])?+[ \t\r]*+(?=\n|\Z)"
)
IN_A_LABEL = ":：*_[#"  # one of these is in whatever LABEL matches
USER_LABEL = re.compile(LABEL.format(names=USER_NAMES), re.IGNORECASE)
AGENT_LABEL = re.compile(LABEL.format(names=AGENT_NAMES), re.IGNORECASE)

ENTRY = re.compile(
    r"[ \t]*+[^\W\d_][\w./-]{0,20}+(?: [\w./-]{1,20}+){0,2}+ ?(?::[ \t]|：)[ \t]*+\S"
)
SENTENCE_ENDS = tuple(".!?…。！？")
MOST_IN_A_VALUE = 30  # characters

END_TOKEN = re.compile(
    r"(?:<\|(?:im_end|eot_id|eom_id|end|endoftext|end_of_text)\|>|<end_of_turn>|<eos>)\s*+\Z"
)
TEMPLATE = re.compile(
    r"<\|[a-z_]{1,40}+\|>|\[/?INST\]|</?agent>|<(?:start|end)_of_turn>|<eos>"
    r"|\A<(?:user|message)>",
    re.IGNORECASE,
)
AGENT_PHRASE = re.compile(
    r"""
    \bas\ an?\ (?:ai|artificial\ intelligence|(?:large\ )?language\ model)
        (?:\ language\ model|\ model|\ assistant|\ chatbot)?,?\ i\b
    | \bi(?:['’]m|\ am)\ (?:just\ |only\ )?an?\ (?:ai|artificial\ intelligence|language\ model)
        (?:\ language\ model|\ model|\ assistant|\ chatbot)?(?=[.,!;:?]|\s*+\Z|\ and\b|\ so\b)
    | \bals\ ki(?:-\w{1,20}+)?\ (?:kann|bin|habe)\ ich\b
    | \bcomo\ (?:una\ )?(?:ia|inteligencia\ artificial),?\ (?:no\ )?(?:puedo|soy|tengo)\b
    | \ben\ tant\ qu['’](?:ia|intelligence\ artificielle),?\ je\b
    | (?:\A|(?<=[.!?…,，。！？、\n]))\s{0,3}[¿¡]?(?:
        how\ (?:can|may)\ i\ (?:help|assist)\ you(?:\ (?:today|further|now|then))?
            (?:\ with\ [^.!?\n]{1,30}+)?\ ?\?
      | (?:is\ there\ )?anything\ else\ (?:that\ )?i\ can\ (?:help|assist)\b
      | (?:wie|womit)\ (?:kann|darf)\ ich\ (?:ihnen|dir|euch)\ [^.!?\n]{0,30}?helfen\b
      | kann\ ich\ (?:ihnen|dir)\ sonst\ noch\ [^.!?\n]{0,30}?helfen\b
      | (?:en\ qué|cómo)\ (?:puedo\ ayudar(?:[lt]e|l[oa]s?)|[lt]e\ puedo\ ayudar)\b
      | comment\ puis-je\ (?:vous\ |t['’])aider\b
      | come\ posso\ aiutar(?:la|ti|vi)\b
      | como\ posso\ (?:(?:te|lhe)\ ajudar|ajudá-l[oa])\b
      | (?:本日は|今日は)?(?:どのような|どういった)ご用件
      | (?:他に)?何かお手伝いできること
      | (?:请问)?有什么(?:可以|能)?(?:为您|帮您|帮到您|帮助您)
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)
# One of these is in whatever AGENT_PHRASE matches, and is found much sooner.
TELLING = (
    *(" ai", "artificial", "language model", "als ki", "como ", "en tant qu", "can i", "may i"),
    *("anything else", "helfen", "puedo ayudar", "comment puis-je", "come posso"),
    *("ご用件", "何かお手伝い", "有什么"),
)


def speaks_as_agent(text: str) -> bool:
    """Whether a sentence of the text is one that an agent says."""
    return any(map(folded(text).__contains__, TELLING)) and AGENT_PHRASE.search(text) is not None


def folded(text: str) -> str:
    """In small letters, also those that a regular expression takes for others."""
    return text.replace("ı", "i").replace("İ", "i").replace("ſ", "s").lower()


def has_template(text: str) -> bool:
    """Whether a text has a token or a tag of a chat template or of our prompts."""
    return ("<" in text or "[" in text) and TEMPLATE.search(text) is not None


def first_label(text: str) -> str:
    """The label of the user's role that a text begins with, or ""; an entry of a form is none."""
    label = USER_LABEL.match(text)
    if label is None:
        return ""
    value, _, rest = text[label.end() :].partition("\n")
    after = rest.lstrip().partition("\n")[0]
    return "" if _is_value(value) and _is_entry(after) else label[0]


def speaks_for_agent(text: str) -> bool:
    """Whether a line of the text is labelled as the agent's; an entry of a form is not."""
    if not any(map(text.__contains__, IN_A_LABEL)):
        return False
    lines = tuple(line for line in text.splitlines() if line.strip())
    labels = ((i, label) for i, line in enumerate(lines) if (label := AGENT_LABEL.match(line)))
    return any(
        not (_is_value(lines[i][label.end() :]) and _is_beside_an_entry(lines, i))
        for i, label in labels
    )


def _is_value(text: str) -> bool:
    """Whether a text can be the value in an entry of a form: a few words, no sentence."""
    value = text.strip()
    return (
        0 < len(value) <= MOST_IN_A_VALUE
        and len(value.split()) <= 3
        and not value.endswith(SENTENCE_ENDS)
    )


def _is_beside_an_entry(lines: tuple[str, ...], at: int) -> bool:
    return any(map(_is_entry, (*lines[max(0, at - 1) : at], *lines[at + 1 : at + 2])))


def _is_entry(line: str) -> bool:
    """Whether a line is an entry of a form, such as "Order no: 12", and no label of a role."""
    return (
        ENTRY.match(line) is not None
        and USER_LABEL.match(line) is None
        and AGENT_LABEL.match(line) is None
    )
