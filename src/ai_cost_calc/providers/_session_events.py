"""The events of OpenAI's WebSocket APIs: which of them ask for something billed, and what is read of them beside usage.

Source: OpenAI's API reference, "Realtime", "Live" and "Responses (WebSocket mode)"; openai 3.54, `types/realtime`,
`types/live`, `types/responses/responses_client_event.py`, `response_steer_event.py`. Names and sizes only: texts, clips
and instructions in the same events are not decoded, or measured and let go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ai_cost_calc.providers.readers._wire import Wire

TRANSCRIBED: Final = "conversation.item.input_audio_transcription.completed"
BYTES_PER_SECOND: Final = 48_000
"""Of 24 kHz mono PCM16, the one format that translation sessions take (`realtime_translation_input_audio_buffer…`)."""
CHARACTERS_PER_AUDIO_TOKEN: Final = 1_000
"""Base64 that makes at most one token of input audio, which is 100 ms (guide "Managing costs"): 1,066 of G.711."""

UNSET: Final = frozenset({"NotGiven", "Omit"})
"""Types by which the SDK says that an argument was not given; it takes them out of an event when it sends it."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """Which events of an API mean what.

    Attributes:
        api: its name among the readers.
        asks: client events each of which asks for one billed answer.
        begins: client events that begin a session whose time is billed.
        invites: client events after which the server may do billed work by itself.
        nests: whether `asks` carry their settings under `response`.
        timed: whether the session's own time is billed.
        counts_audio: whether nothing says how long that was but the audio that was sent.
        observes: whether the connection only watches a session that another one pays for, until it says how it closed.
    """

    api: str
    asks: frozenset[str] = frozenset()
    begins: frozenset[str] = frozenset()
    invites: frozenset[str] = frozenset()
    nests: bool = False
    timed: bool = False
    counts_audio: bool = False
    observes: bool = False


_CREATE: Final = frozenset({"response.create"})
REALTIME: Final = Dialect(
    api="realtime",
    asks=_CREATE,
    invites=frozenset({"input_audio_buffer.append", "input_audio_buffer.commit"}),
    nests=True,
)
RESPONSES: Final = Dialect(api="responses", asks=_CREATE, invites=frozenset({"response.inject", "response.steer"}))
LIVE: Final = Dialect(api="live", asks=_CREATE | {"decision.create"}, begins=frozenset({"session.start"}), timed=True)
SIDEBAND: Final = msgspec.structs.replace(LIVE, begins=frozenset(), observes=True)
TRANSLATIONS: Final = Dialect(api="realtime", timed=True, counts_audio=True)


class _Named(Wire):
    id: str | None = None
    model: str | None = None


class _Input(Wire):
    transcription: _Named | None = None


class _Audio(Wire):
    input: _Input | None = None


class SessionFacts(Wire):
    """The names in a session's settings."""

    id: str | None = None
    model: str | None = None
    audio: _Audio | None = None
    input_audio_transcription: _Named | None = None

    @property
    def transcriber(self) -> str | None:
        """The model that writes down what the speaker says; the older form of the setting is that of the beta API."""
        inside = self.audio.input if self.audio is not None else None
        setting = (inside.transcription if inside is not None else None) or self.input_audio_transcription
        return setting.model if setting is not None else None


class _Error(Wire):
    event_id: str | None = None
    client_event_id: str | None = None


class _Counted(Wire):
    seconds: float | None = None


class ServerEvent(Wire):
    """What is read of any server event, beside its usage."""

    type: str | None = None
    response_id: str | None = None
    stream_id: str | None = None
    item_id: str | None = None
    content_index: int | None = None
    client_event_id: str | None = None
    response: _Named | None = None
    session: SessionFacts | None = None
    error: _Error | None = None
    usage: _Counted | None = None
    event: msgspec.Raw = msgspec.Raw()

    @property
    def refused_event_id(self) -> str | None:
        """The caller's name of the event that an error is about; Realtime and Live say it in different places."""
        error = self.error or _Error()
        return error.event_id or error.client_event_id or self.client_event_id


class Decided(Wire):
    """What a Live session had decided."""

    decision: msgspec.Raw = msgspec.Raw(b"null")


def mapping_of(event: Any) -> Mapping[str, Any]:
    """A client event as a mapping: it is one, or one of the SDK's models, or JSON."""
    if isinstance(event, Mapping):
        return {name: value for name, value in event.items() if type(value).__name__ not in UNSET}
    if hasattr(event, "to_dict"):
        found = event.to_dict(warnings=False)
    elif isinstance(event, bytes | bytearray | str):
        found = _decoded(event)
    else:
        return {}
    return found if isinstance(found, Mapping) else {}


def _decoded(message: bytes | bytearray | str) -> object:
    """What a raw message says; one that is no JSON is the server's to refuse."""
    try:
        return msgspec.json.decode(message)
    except (ValueError, RecursionError):
        return None
