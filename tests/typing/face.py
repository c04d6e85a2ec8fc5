"""What a type checker has to see of the public surface: checked, never run."""

from typing import assert_type

import convsim_adapters
import convsim_fp

assert_type(convsim_adapters.__all__, list[str])
assert_type(convsim_fp.__name__, str)
