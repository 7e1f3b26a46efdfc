"""The settings of a language model that is asked: declared once for Python, the environment, recipes and command lines."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from vidalign.llm import redaction

_OWN = (
    "model", "messages", "stream", "n", "response_format", "max_completion_tokens", "base_url", "num_retries", "drop_params"
)  # fmt: skip
# Names of parameters that carry a key, at any depth.
_SECRET = re.compile(
    r'"([^"]*(?:api[-_ ]?key|authorization|headers|secret|password|credentials?|access[-_]?key(?:[-_]id)?'
    r'|(?<![a-z])(?:access|auth|session|ad|bearer|id)[-_]token))"\s*:',
    re.IGNORECASE,
)


@dataclass
class LLMSettings:
    """Which model is asked, how, and what it may cost.

    Keys come from the environment, where litellm looks for them (`OPENAI_API_KEY`, ...); for `api_base` from
    `VIDALIGN_JUDGE_API_KEY`, or else the provider's. They are not kept in the object.

    Args:
        model: as litellm names it ("openai/gpt-4.1", "gemini/gemini-2.5-pro"); with `api_base` the name that the server
            gives it.
        api_base: URL of an OpenAI-compatible server up to and with `/v1`.
        api_key_env: name of the environment variable that holds the key.
        temperature: 0 by default; None sends none.
        max_tokens: of an answer, thoughts included.
        params: further parameters of the request, as in OpenAI's API.
        structured: asks for the answer by its JSON schema; None: where the model can.
        sees: media to show it, of "image", "audio", "video"; None: what litellm says of the model, nothing with
            `api_base`. A model that takes images is shown frames of a video.
        max_frames, max_frame_pixels: of a video that is shown as frames, evenly spaced.
        max_concurrency: requests under way at once, in this process.
        requests_per_minute: evenly spaced; None: no limit.
        timeout: seconds for one attempt, from the first byte sent to the last received.
        max_retries: attempts after a request that failed in passing, with exponential back-off and jitter; a
            `Retry-After` is kept, by all requests.
        max_reasks: times that a question is put again whose answer could not be used.
        max_calls, max_dollars: budget of a launch, after which `BudgetExceeded` is raised. Under `accelerate launch` this
            and `requests_per_minute` are shared evenly between the processes. A call is made only if its worst case fits
            (text; what media cost is known afterwards only).
        price: dollars for a million tokens, of input and of output; None: litellm's table, unknown with `api_base`.
        patience: unscored questions in a row after which `JudgeDown` is raised; at most 10 as long as the judge cannot be
            reached and has answered nothing.
        cache_dir: folder of the answers; None: the user's cache folder, "": no cache. An answer is found again by model,
            messages, media and parameters, not by server.

    Raises:
        ValueError: a value that cannot be.
    """

    model: str
    api_base: str | None = None
    api_key_env: str | None = None
    temperature: float | None = 0.0
    max_tokens: int = 8192
    params: Mapping[str, Any] = field(default_factory=dict)
    structured: bool | None = None
    sees: tuple[str, ...] | None = None
    max_frames: int = 16
    max_frame_pixels: int = 448 * 448
    max_concurrency: int = 64
    requests_per_minute: float | None = None
    timeout: float = 120.0
    max_retries: int = 5
    max_reasks: int = 1
    max_calls: int | None = None
    max_dollars: float | None = None
    price: tuple[float, float] | None = None
    patience: int = 100
    cache_dir: str | None = None

    def __post_init__(self) -> None:
        if self.api_key_env:
            # Not shown: it may be the key itself, by mistake.
            if not re.fullmatch(r"[A-Za-z_]\w*", self.api_key_env, re.ASCII):
                raise ValueError(
                    "api_key_env is no name of an environment variable; it names the one that holds the key"
                )
            redaction.remember(self.api_key_env)
        if not self.model:
            raise ValueError("model is empty; name a model as litellm does, such as 'openai/gpt-4.1'")
        self._check_address()
        self._check_params()
        for name, minimum in (
            ("max_tokens", 1), ("max_concurrency", 1), ("max_retries", 0), ("max_reasks", 0), ("patience", 1),
            ("max_frames", 1), ("max_frame_pixels", 1)
        ):  # fmt: skip
            if getattr(self, name) < minimum:
                raise ValueError(f"{name}={getattr(self, name)}; the minimum is {minimum}")
        for name in ("timeout", "requests_per_minute"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:  # nor NaN
                raise ValueError(f"{name}={getattr(self, name)}; it must be above 0")
        for name in ("max_calls", "max_dollars"):
            if getattr(self, name) is not None and not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)}; the minimum is 0")
        if unknown := set(self.sees or ()) - {"image", "audio", "video"}:
            raise ValueError(f"sees holds {', '.join(sorted(unknown))}; known are image, audio and video")
        if self.price is not None and not (
            len(self.price) == 2 and all(dollars >= 0 for dollars in self.price)
        ):
            raise ValueError(f"price={self.price}; it is dollars for a million tokens of input and of output")

    def _check_address(self) -> None:
        if self.api_base is None:
            return
        try:
            url = urlsplit(self.api_base)
            whole = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        except ValueError:
            whole = False
        # Here, so that no message shows a URL that may hold a password.
        if not whole:
            raise ValueError("api_base must be a URL such as http://localhost:8000/v1")
        held = url.username is not None or url.password is not None or url.query or url.fragment
        if held or redaction.without_keys(self.api_base) != self.api_base:
            raise ValueError(
                "api_base holds a user, a password, a query or a key; put the key into an environment variable and name it "
                "in api_key_env"
            )

    def _check_params(self) -> None:
        for name in self.params:
            if name in _OWN or name in (f.name for f in fields(self)):
                raise ValueError(f"params holds {name!r}, which the judge sets itself")
        try:
            text = json.dumps(dict(self.params), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"params cannot be sent as JSON: {error}") from None
        if (secret := _SECRET.search(text)) or redaction.without_keys(text) != text:
            what = repr(secret[1]) if secret else "a key"
            raise ValueError(f"params holds {what}; keys are taken from the environment, see api_key_env")
