"""The wording of our prompts, by version. A released one never changes; better ones are added."""

from convsim_fp.texts.v1 import V1
from convsim_fp.texts.wording import Facts, Status, Wording, is_opening

__all__ = ["V1", "Facts", "Status", "Wording", "is_opening"]
