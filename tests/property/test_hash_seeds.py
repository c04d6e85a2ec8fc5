"""Law 6: the same rules, case and answers give byte-equal states under any PYTHONHASHSEED."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("hash_seed_states.py")


def digest_under(seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_law_6_states_are_byte_equal_under_three_hash_seeds() -> None:
    digests = {digest_under(seed) for seed in ("0", "1", "4242")}
    assert len(digests) == 1
    assert len(digests.pop()) == 64
