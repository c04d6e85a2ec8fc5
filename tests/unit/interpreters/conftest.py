import asyncio
import signal

import pytest

from convsim_fp.interpreters import aconverse_all, converse_all


def in_a_loop(*args, **options):
    return asyncio.run(aconverse_all(*args, **options))


def in_a_notebook(*args, **options):
    async def cell():
        return converse_all(*args, **options)

    return asyncio.run(cell())


@pytest.fixture(params=[converse_all, in_a_loop, in_a_notebook])
def run_all(request):
    """Every way to run a batch."""
    return request.param


@pytest.fixture
def _ctrl_c_raises():
    """Also where a shell has its background jobs ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
