"""Which model answers for whom, from what the drop-in is told."""

from convsim_adapters.mlflow.settings import judge_settings, user_settings


def test_a_provider_goes_by_the_name_that_our_clients_know() -> None:
    assert user_settings("amazon-bedrock:/nova", {})["user_model"] == "bedrock:/nova"
    assert judge_settings("togetherai:/llama", {})["goal_model"] == "together_ai:/llama"


def test_the_judge_is_reached_where_the_user_is_and_has_no_chance() -> None:
    """C40, D41."""
    told = judge_settings("openai:/m", {"api_base": "http://127.0.0.1:9/v1", "top_p": 0.5})
    assert told["goal_params"] == {"api_base": "http://127.0.0.1:9/v1", "temperature": 0.0}
