"""What an answer costs is what litellm says that it costs, without litellm."""

from importlib.metadata import version

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.prices import Price, Used, facts_of, listed_mode, price_of, tokens_of
from convsim_fp.interpreters import Facts

SOURCE = f"litellm {version('litellm')}"
# litellm's own types, which it makes as it goes; the adapter silences them, which is not used here.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Items? .* on TypedDict class:UserWarning",
    "ignore:Pydantic serializer warnings:UserWarning",
)
TOKENS = st.integers(0, 400_000)
MODELS = ("gpt-4o-mini", "gpt-4o", "gpt-4.1", "gpt-5-mini", "o3", "gpt-3.5-turbo")


@pytest.fixture(scope="module")
def theirs():
    """What litellm says that an answer costs."""
    import os

    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    def cost(told, model):
        response = litellm.ModelResponse(**told)
        name = f"openai/{model}"
        return litellm.completion_cost(response, model=name, custom_llm_provider="openai")

    return cost


def answer(model, read, written, cached=None, **more):
    details = {} if cached is None else {"prompt_tokens_details": {"cached_tokens": cached}}
    usage = {"prompt_tokens": read, "completion_tokens": written, **details}
    return {"model": model, "usage": {**usage, "total_tokens": read + written}, **more}


@given(model=st.sampled_from(MODELS), read=TOKENS, written=TOKENS, part=st.floats(0, 1))
def test_it_is_litellms_own_cost(theirs, model, read, written, part) -> None:
    """For whatever counts, cached ones and such beyond a threshold among them."""
    told = answer(model, read, written, int(read * part))
    facts = facts_of(told, model=model)
    if not read and not written:
        assert facts == Facts()
    else:
        assert facts.cost == pytest.approx(theirs(told, model), abs=1e-12)
        assert facts.price_source == SOURCE


@given(TOKENS, st.floats(0, 1), st.floats(0, 1), st.sampled_from(("default", "flex", "priority")))
def test_what_is_put_into_the_cache_is_paid_as_litellm_says(theirs, read, part, put, tier) -> None:
    """Models since GPT-5.6 have a price for it, which differs by length and tier."""
    cached = int(read * part)
    told = answer("gpt-5.6", read, 10, cached, service_tier=tier)
    told["usage"]["prompt_tokens_details"]["cache_write_tokens"] = int((read - cached) * put)
    assert facts_of(told, model="gpt-5.6").cost == pytest.approx(theirs(told, "gpt-5.6"), abs=1e-12)


@pytest.mark.parametrize(
    "usage",
    [
        {"prompt_tokens": 90, "completion_tokens": 5, "prompt_cache_hit_tokens": 40},  # DeepSeek
        {"prompt_tokens": 90, "completion_tokens": 5, "cache_read_input_tokens": 40},  # gateways
        {"input_tokens": 90, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 40}},
        {
            "prompt_tokens": 90,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 40},
        },
    ],
)
def test_tokens_are_told_under_several_names(usage) -> None:
    facts = Facts(input_tokens=90, output_tokens=5, cached_tokens=40)
    assert tokens_of({"usage": usage}) == facts_of({"usage": usage}, model="nobodys") == facts


@pytest.mark.parametrize("told", [None, [], "usage", {"usage": []}, {"usage": {"input_tokens": 0}}])
def test_what_tells_no_tokens_leaves_them_unknown(told) -> None:
    assert tokens_of(told) == Facts()


@pytest.mark.parametrize("tier", ["default", "flex", "priority", "auto"])
def test_a_tier_has_rates_of_its_own(theirs, tier) -> None:
    told = answer("gpt-5-mini", 1_000, 100, 400, service_tier=tier)
    assert facts_of(told, model="gpt-5-mini").cost == pytest.approx(theirs(told, "gpt-5-mini"))


def test_the_model_that_answered_is_paid_where_it_has_a_price() -> None:
    alias = facts_of(answer("gpt-4o-mini", 90, 10), model="fast")
    own = facts_of(answer("whatever", 90, 10), model="gpt-4o-mini")
    assert alias == own
    assert own.cost == pytest.approx(1.95e-05)


def test_what_is_not_told_is_unknown() -> None:
    whole = answer("gpt-4o-mini", 90, 10)
    for told in ({}, {"usage": None}, {"usage": {}}, answer("gpt-4o-mini", 0, 0)):
        assert facts_of(told, model="gpt-4o-mini") == Facts()
    assert facts_of(whole, model="x").cost is not None
    half = facts_of({"usage": {"prompt_tokens": 90}}, model="gpt-4o-mini")
    assert half == Facts(input_tokens=90)
    unlisted = facts_of(answer("nobodys", 90, 10, 30), model="nobodys")
    assert unlisted == Facts(input_tokens=90, output_tokens=10, cached_tokens=30)
    heard = answer("gpt-4o-mini", 90, 10, completion_tokens_details={})
    heard["usage"]["completion_tokens_details"] = {"audio_tokens": 5}
    assert facts_of(heard, model="gpt-4o-mini").cost is None
    wrong = {"usage": {"prompt_tokens": True, "completion_tokens": -1}}
    assert facts_of(wrong, model="gpt-4o-mini") == Facts()


def test_what_is_put_into_a_cache_and_a_region_have_their_rates() -> None:
    rates = {"input_cost_per_token": 1.0, "output_cost_per_token": 4.0}
    more = {"cache_creation_input_token_cost": 2.0, "cache_read_input_token_cost": 0.25}
    uplift = {"regional_processing_uplift_multiplier_eu": 1.5}
    used = Used(input=10, output=1, cached=4, written=2, region="eu")
    assert Price({**rates, **more, **uplift}, "mine").cost(used) == 1.5 * (4 + 1 + 4 + 4)
    assert Price(rates, "mine").cost(used) == 14.0


def test_a_model_made_from_another_costs_what_such_a_one_does() -> None:
    assert price_of("ft:gpt-4o-mini-2024-07-18:shop::x") == price_of("ft:gpt-4o-mini-2024-07-18")
    assert price_of("ft:gpt-4o-mini-2024-07-18") != price_of("gpt-4o-mini-2024-07-18")


def test_only_what_speaks_the_protocol_has_a_price_here() -> None:
    assert price_of("claude-3-5-haiku-20241022") is None
    assert (listed_mode("gpt-4o-mini"), listed_mode("o1-pro")) == ("chat", "responses")
