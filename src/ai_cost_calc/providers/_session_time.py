"""How long a WebSocket session was, where its time is billed."""

from __future__ import annotations

from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.providers import UsageReader, open_reader
from ai_cost_calc.providers._request import Sending
from ai_cost_calc.providers._session_events import BYTES_PER_SECOND, Dialect, ServerEvent
from ai_cost_calc.providers._tap import unknown


class SessionTime:
    """The seconds of one session: a running total that the server states, the last of which counts, or what was sent.

    Args:
        dialect: whether there is such a total, and whether this connection is the one that pays.
        provider: whose API it is.
    """

    __slots__ = ("_began", "_dialect", "_provider", "_sent_bytes", "_stated")

    def __init__(self, dialect: Dialect, provider: str) -> None:
        self._dialect = dialect
        self._provider = provider
        self._stated: UsageReader | None = None
        self._sent_bytes = 0
        self._began = False

    def hear(self, audio: str) -> None:
        """Count a clip that is sent, in base64."""
        self._sent_bytes += len(audio.rstrip("=")) * 3 // 4

    def take(self, event: ServerEvent, data: bytes | str) -> None:
        """See a server event that may say how long the session has been."""
        self._began = self._began or event.type in {"session.started", "session.created"}
        if event.type in {"session.usage.updated", "session.closed"} and event.usage is not None:
            self._stated = self._stated or open_reader(provider=self._provider, api=self._dialect.api)
            self._stated.message(data)

    def spent(self, sending: Sending, *, closed: bool) -> Reading | None:
        """What the session came to, and start over; `None` where it never began, or is another connection's to pay.

        Args:
            closed: whether the server said that the session is over; else what it stated last is a lower bound.
        """
        if self._dialect.observes and not closed:
            return None
        stated, self._stated = self._stated, None
        sent, self._sent_bytes = self._sent_bytes, 0
        began, self._began = self._began, False
        if stated is not None:
            return replace(stated.close(), complete=closed)
        if self._dialect.counts_audio and sent:
            usage = Usage(audio_seconds=round(sent / BYTES_PER_SECOND, 3))
            return replace(unknown(sending), usage=usage, estimated=True)
        return unknown(sending) if began else None
