"""What an embeddings endpoint refused, as what was wrong and what to do; the key is in none of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import EmbedError
from . import tokens

if TYPE_CHECKING:
    import openai

_SHOWN = 300
_TOO_LONG = ("maximum context length", "maximum input length", "too long", "too many tokens", "tokens per request")
_AGAIN = "run the same again: what was embedded is kept and not asked for twice"


def of(error: openai.OpenAIError, model: str, texts: Sequence[str], where: str, key: str) -> EmbedError:
    """Return what an error of the ``openai`` client means to who asked ``where`` for the vectors of texts."""
    import openai

    said = _said(error, key)
    match error:
        case openai.AuthenticationError():
            return EmbedError(
                f"{where} refused the key" if key else f"{where} wants a key",
                'import getpass, os; os.environ["OPENAI_API_KEY"] = getpass.getpass("key: ")',
            )
        case openai.NotFoundError():
            return EmbedError(
                f"{where} has no model {model!r}, or no embeddings: {said}",
                "check the model's name, and OPENAI_BASE_URL where it is set: most end in /v1",
            )
        case openai.RateLimitError() if error.code == "insufficient_quota":
            return EmbedError(f"the account at {where} has no credit left: {said}", f"top it up, then {_AGAIN}")
        case openai.RateLimitError():
            return EmbedError(f"{where} still takes no more after several tries: {said}", f"wait, then {_AGAIN}")
        case openai.APIStatusError() if error.status_code in (400, 413, 422) and _is_too_long(said):
            return _too_long(said, texts, where)
        case openai.APIStatusError() if error.status_code < 500:
            return EmbedError(f"{where} refused the request ({error.status_code}): {said}")
        case openai.APIStatusError():
            return EmbedError(f"{where} failed ({error.status_code}) at every try: {said}", f"wait, then {_AGAIN}")
        case openai.APITimeoutError():
            return EmbedError(f"{where} did not answer in time", _AGAIN)
        case openai.APIConnectionError():
            return EmbedError(
                f"no whole answer from {where}: {said}", f"is the server running, and there? Then {_AGAIN}"
            )
    return EmbedError(f"{where}: {said}")


def unreadable(where: str, why: str) -> EmbedError:
    """Return what is said of an answer that cannot be read."""
    return EmbedError(f"the answer of {where} cannot be read: {why}", _AGAIN)


def shortened(text: str) -> str:
    """Return the beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]} …"


def _said(error: openai.OpenAIError, key: str) -> str:
    """Return the server's own words, or the cause's; some repeat the key."""
    body = getattr(error, "body", None)
    words = body.get("message") if isinstance(body, dict) else None
    text = str(words or error.__cause__ or error)
    return shortened(text.replace(key, "…") if key else text)


def _is_too_long(said: str) -> bool:
    return any(words in said.lower() for words in _TOO_LONG)


def _too_long(said: str, texts: Sequence[str], where: str) -> EmbedError:
    longest = max(texts, key=lambda text: len(text.encode()))
    about = len(tokens.estimated(longest))
    return EmbedError(
        f"a text is too long for {where}: {said}",
        f"the longest here has some {about:,} tokens and begins {longest[:40]!r}: cut texts into chunks (--chunk)",
    )
