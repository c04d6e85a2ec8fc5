"""What a conversation leaves behind, as text: pure, text in and text out."""

from convsim_fp.journal.codec import state_from_json, state_to_json
from convsim_fp.journal.digests import digest

__all__ = ["digest", "state_from_json", "state_to_json"]
