"""What the error of a request tells about how many an endpoint takes."""

from __future__ import annotations

import errno
import os

from convsim_fp.errors import PortError, RateLimited, RetryableError, TimedOut

__all__ = ["asked_pause", "too_much"]

FULL = os.strerror(errno.EMFILE)


def too_much(error: PortError) -> str:
    """Why fewer requests should be under way, in words; nothing where the error does not say so.

    >>> too_much(RateLimited("429: slow down")), too_much(PortError("500: broken"))
    ('answers 429', '')
    """
    match error:
        case RateLimited():
            return "answers 429"
        case TimedOut():
            return "does not answer in time"
        case _ if FULL in str(error):
            return "cannot be reached while so many files are open"
        case _:
            return ""


def asked_pause(error: PortError, *, longest: float) -> float:
    """The seconds that the endpoint asks everybody to wait; 0 where it does not, or for too long.

    >>> asked_pause(RateLimited(retry_after=7.0), longest=60.0)
    7.0
    """
    asked = error.retry_after if isinstance(error, RetryableError) else None
    return asked if asked is not None and asked <= longest else 0.0
