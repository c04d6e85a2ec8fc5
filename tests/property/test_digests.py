"""What a request is told by does not depend on how much of it was hashed before."""

from hypothesis import given
from hypothesis import strategies as st

from convsim_fp.core import CallAgent, Generate, Lane, Message, Prompt, RequestId, Session, TestCase
from convsim_fp.core.transcript import ToolCall
from convsim_fp.journal import digest
from convsim_fp.journal.digests import NOTHING_HASHED, digested
from convsim_fp.testing import strategies as any_of

CASE = TestCase(goal="return the red shoes")
PROMPTS = st.builds(
    Prompt,
    st.sampled_from(("user", "judge")),
    any_of.texts(),
    any_of.transcripts(),
    any_of.texts(),
)


def asked(content: Prompt | tuple[Message, ...]) -> Generate | CallAgent:
    at = RequestId(1, Lane.AGENT)
    make = Generate if isinstance(content, Prompt) else CallAgent
    return make(at, Session(), CASE, content)


@given(st.lists(PROMPTS | any_of.transcripts(), min_size=1))
def test_what_was_hashed_before_changes_no_digest(contents: list) -> None:
    """For any requests in any order, related or not, and for each as it grows."""
    before = NOTHING_HASHED
    for content in contents:
        whole = content.transcript if isinstance(content, Prompt) else content
        for length in range(len(whole) + 1):
            grown = whole[:length]
            if isinstance(content, Prompt):
                told = (content.speaks_as, content.system, grown, content.question)
                grown = Prompt(*told, schema=content.schema)
            request = asked(grown)
            name, before = digested(request, before)
            assert name == digest(asked(grown))


def test_messages_that_are_equal_to_python_alone_are_not_taken_for_one_another() -> None:
    one, other = (
        asked((Message("agent", "", (ToolCall("buy", arguments),)),)) for arguments in (1, True)
    )
    assert one.transcript == other.transcript
    _, before = digested(one)
    assert digested(other, before)[0] == digest(other) != digest(one)
