"""What one WebSocket session of a wrapped client comes to: what is asked on it, what is answered, what is left open.

Several answers are paid for over one connection, some without being asked for: a server that listens answers when the
speaker pauses. So a session has calls: one for each answer that an event asks for, begun before the event is sent; one
that stands ready for what the server does by itself; and, where the session's own time is billed, one for that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ai_cost_calc.core.reading import Reading
from ai_cost_calc.ports.providers import Meter, RunningCall
from ai_cost_calc.providers import UsageReader, _dropped, open_reader
from ai_cost_calc.providers._jobs import token_of
from ai_cost_calc.providers._request import BYTES_PER_TOKEN, Request, Sending, estimated, measured, text
from ai_cost_calc.providers._session_events import (
    CHARACTERS_PER_AUDIO_TOKEN,
    TRANSCRIBED,
    Decided,
    Dialect,
    ServerEvent,
    SessionFacts,
    mapping_of,
)
from ai_cost_calc.providers._session_time import SessionTime
from ai_cost_calc.providers._tap import billed, quietly, unknown
from ai_cost_calc.providers.readers._wire import parsed

Ask = Callable[[Mapping[str, Any], "Session"], Request]
"""Makes a request of what an event says and of what is known of the session."""

_DONE: Final = frozenset({"response.done", "response.completed", "response.incomplete", "response.failed"})
_SOUND: Final = "audio.delta"


class Wanted(msgspec.Struct, frozen=True):
    """Something billed that a client event is about to ask for.

    Attributes:
        stands: whether it is for what the server may do by itself, or for the session, rather than one answer.
        event_id: the caller's name of the event, by which an error refers to it.
        lane: which of several conversations on the connection it belongs to.
    """

    sending: Sending
    stands: bool = False
    event_id: str | None = None
    lane: str | None = None


class Asked:
    """One answer until it is over; `running` is `None` where nobody asked, so that nothing was reserved."""

    __slots__ = ("reader", "running", "wanted")

    def __init__(self, wanted: Wanted, running: RunningCall | None) -> None:
        self.wanted = wanted
        self.running = running
        self.reader: UsageReader | None = None


class Session:
    """The calls of one session. Its methods may be called from threads that send and threads that receive.

    Args:
        meter: who decides and records.
        dialect: which events mean what.
        provider: whose API it is.
        ask: makes requests of events.
        model: the model that the connection is opened for, if it is.

    Attributes:
        passes: one for each message that was looked at when it was handed over, and is still on its way to the socket.
        queued: what was asked for before the connection was opened.
        keepsake: a reference that must live as long as somebody may receive.
        heard_bytes: what stands in the conversation so far, for estimates: four bytes for a token.
        media_items: images and clips in it.
    """

    def __init__(self, meter: Meter, dialect: Dialect, provider: str, ask: Ask, model: str | None) -> None:
        self.meter = meter
        self.dialect = dialect
        self.provider = provider
        self.model = model
        self.passes: deque[object] = deque()
        self.queued: list[Wanted] = []
        self.keepsake: object = None
        self.heard_bytes = self.media_items = 0
        self._ask = ask
        self._context: Context = copy_context()
        self._id: str | None = None
        self._transcriber: str | None = None
        self._standing: Asked | None = None
        self._waiting: list[Asked] = []
        self._answers: dict[str | None, Asked] = {}
        self._lanes: dict[str | None, str | None] = {}
        self._time = SessionTime(dialect, provider)

    # What is asked.

    def opening(self) -> list[Wanted]:
        """What to reserve before the connection is opened: what was queued for it, else that something may come."""
        self._context = copy_context()
        queued, self.queued = self.queued, []
        return queued or [Wanted(self._sending({} if self._known_at_once else {"max_output_tokens": 1}), stands=True)]

    @property
    def _known_at_once(self) -> bool:
        """Whether the connection's first answer is known well enough to reserve for; else only a token is."""
        return self.model is not None

    def wanted(self, event: Any) -> Wanted | None:
        """What an event asks for; `None` for one that is free. Names and sizes in it are noted, its content is not."""
        body = mapping_of(event)
        kind = text(body.get("type"))
        dialect = self.dialect
        if isinstance(session := body.get("session"), Mapping):
            self._note(parsed(SessionFacts, session)[0])
        if kind not in dialect.asks:
            self._listen(body)
        if kind in dialect.asks or kind in dialect.begins:
            stands = kind in dialect.begins
            if stands or not dialect.timed:
                self._let_go()
            said = body.get("response") if dialect.nests else body
            sending = self._sending(said if isinstance(said, Mapping) else {})
            return Wanted(sending, stands, text(body.get("event_id")), text(body.get("stream_id")))
        if kind in dialect.invites and self._standing is None:
            return Wanted(self._sending({}), stands=True)
        return None

    def _listen(self, body: Mapping[str, Any]) -> None:
        """Note how much an event adds to the conversation."""
        audio = body.get("audio")
        if isinstance(audio, str):
            self._time.hear(audio)
            self.heard_bytes += len(audio) // CHARACTERS_PER_AUDIO_TOKEN + 1
        else:
            size = measured([body])
            self.heard_bytes += size.text_bytes
            self.media_items += size.media_items

    def _sending(self, body: Mapping[str, Any]) -> Sending:
        return Sending(self._ask(body, self), None, b"")

    def expect(self, wanted: Wanted, running: RunningCall | None) -> Asked:
        """It is reserved, and about to be sent."""
        asked = Asked(wanted, running)
        quietly(self.meter, "request", lambda: wanted.sending.request.input_bytes)  # and let go of the content
        if wanted.stands:
            self._standing = asked
        else:
            self._waiting.append(asked)
        _dropped.follow([self])
        return asked

    def unsent(self, asked: Asked, error: BaseException) -> None:
        """It could not be sent after all."""
        if asked is self._standing:
            self._standing = None
        elif asked in self._waiting:
            self._waiting.remove(asked)
        else:
            return
        self._end(asked, error=error)

    def _let_go(self) -> None:
        """Give back what stands ready: an answer that is asked for has a call of its own."""
        standing, self._standing = self._standing, None
        if standing is not None:
            self._end(standing)

    # What is answered.

    def take(self, data: bytes | str) -> None:
        """See a server event pass. What is no event says nothing, and is the SDK's to refuse."""
        try:
            event, _ = parsed(ServerEvent, data)
        except (ValueError, RecursionError):
            return
        for asked in (*self._waiting, *self._answers.values(), self._standing):
            if asked is not None and asked.running is not None:
                asked.running.beat()
        if event.session is not None:
            self._note(event.session)
        if event.type in {"response.event", "decision.event"} and event.event:
            self._delegated(event.type, bytes(event.event))
        elif event.type == "error":
            self._refused(event)
        elif event.type == TRANSCRIBED:
            self._transcribed(event, data)
        elif self.dialect.timed:
            self._time.take(event, data)
            if event.type == "session.closed":
                self._close_timed(closed=True)
        else:
            self._answer(event, data, self.dialect.api)

    def _note(self, facts: SessionFacts) -> None:
        """Remember names: of the session, of its model, of what transcribes the speaker."""
        self._id = facts.id or self._id
        self.model = facts.model or self.model
        self._transcriber = facts.transcriber or self._transcriber

    def _answer(self, event: ServerEvent, data: bytes | str, api: str) -> None:
        kind = event.type or ""
        named = event.response.id if event.response is not None else event.response_id
        name = named or self._lanes.get(event.stream_id)
        if kind == "response.created" and named not in self._answers:
            self._answers[named] = self._begun(event.stream_id)
            self._lanes[event.stream_id] = named
        done = kind in _DONE
        if not done and not (kind.endswith(".delta") and not kind.endswith(_SOUND)):
            return
        asked = self._answers.get(name) or (self._begun(event.stream_id) if done else None)
        if asked is None:
            return
        if asked.reader is None:
            asked.reader = open_reader(provider=self.provider, api=api, model=self._model_of(asked))
        asked.reader.message(data)
        if done:
            self._answers.pop(name, None)
            self._over(asked, ended=True)

    def _begun(self, lane: str | None) -> Asked:
        """Whose answer this is: the first that was asked for on its lane, else what stands ready, else nobody's."""
        for asked in self._waiting:
            if asked.wanted.lane == lane:
                self._waiting.remove(asked)
                return asked
        if self._standing is not None and not self.dialect.timed:
            standing, self._standing = self._standing, None
            return standing
        return Asked(Wanted(self._sending({})), None)

    def _model_of(self, asked: Asked) -> str | None:
        return self.model if self.dialect.api == "realtime" else asked.wanted.sending.request.model

    def _delegated(self, kind: str, inner: bytes) -> None:
        """What a Live session has another API do, which is billed as that API's answer."""
        if kind == "response.event":
            event, _ = parsed(ServerEvent, inner)
            return self._answer(event, inner, "responses")
        asked = self._begun(None)
        asked.reader = open_reader(provider=self.provider, api="decisions")
        asked.reader.message(b'{"type":"response.completed","response":%b}' % bytes(parsed(Decided, inner)[0].decision))
        return self._over(asked, ended=True)

    def _transcribed(self, event: ServerEvent, data: bytes | str) -> None:
        """What the speaker said was written down, by a model of its own, which only the session names."""
        reader = open_reader(provider=self.provider, api=self.dialect.api, model=self._transcriber)
        reader.message(data)
        reading = replace(reader.close(), model=self._transcriber)
        if reading.usage is not None:
            self._record(reading, f"{self.provider}:{event.item_id}:{event.content_index or 0}")
        if not self.dialect.timed:
            self._let_go()  # so that what is said next is asked for again

    def _refused(self, event: ServerEvent) -> None:
        """An event was not accepted: nothing is billed for it."""
        name = event.refused_event_id
        for asked in self._waiting:
            if name in {None, asked.wanted.event_id} and asked.wanted.lane == event.stream_id:
                self._waiting.remove(asked)
                return self._end(asked)
        if self.dialect.api == "responses" and event.stream_id in self._lanes:
            broken = self._answers.pop(self._lanes.pop(event.stream_id), None)
            if broken is not None:
                self._over(broken, ended=False)
        return None

    # How it ends.

    def _over(self, asked: Asked, *, ended: bool) -> None:
        """An answer is over, or will not come any more: say what it came to."""
        said = asked.reader.output_bytes if asked.reader is not None else 0
        sending = asked.wanted.sending
        reading: Reading | None = asked.reader.close(ended=ended) if asked.reader is not None else unknown(sending)
        if reading is not None and reading.usage is not None and self.dialect.api == "realtime":
            self.heard_bytes = reading.usage.total_tokens * BYTES_PER_TOKEN
        if reading is not None and (reading.usage is not None or said or not ended):
            reading = billed(estimated(reading, sending, said), sending)
        else:
            reading = None
        self._settle(asked, reading, aborted=not ended)

    def _settle(self, asked: Asked, reading: Reading | None, *, aborted: bool = False) -> None:
        token = token_of(reading) if reading is not None and reading.response_id is not None else None
        if asked.running is None:
            if reading is not None:
                self._record(reading, token)
            return
        if reading is not None:
            quietly(self.meter, "read", lambda running: running.read(reading, token=token), asked.running)
        self._end(asked, aborted=aborted)

    def _end(self, asked: Asked, *, error: BaseException | None = None, aborted: bool = False) -> None:
        if asked.running is not None:
            quietly(self.meter, "end", lambda running: running.end(error=error, aborted=aborted), asked.running)

    def _record(self, reading: Reading, token: str | None) -> None:
        """Book what nobody asked for, for whoever opened the connection."""
        quietly(self.meter, "record", lambda: self._context.copy().run(self.meter.record, reading, token=token))

    def _close_timed(self, *, closed: bool) -> None:
        """The session's own time is over, or nobody watches it any more."""
        standing, self._standing = self._standing, None
        if standing is not None:
            reading = self._time.spent(standing.wanted.sending, closed=closed)
            if reading is not None:
                reading = replace(reading, model=self.model, response_id=self._id)
            self._settle(standing, reading, aborted=not closed)

    def finish(self, *, ended: bool, error: BaseException | None = None) -> None:
        """Nothing more will be received: closed, lost or dropped. What is open then is settled, once."""
        _dropped.conclude(self, ended=ended, error=error)

    def conclude(self, *, ended: bool, error: BaseException | None) -> None:  # noqa: ARG002 - see `_dropped.Ending`
        """Settle what is open: what had begun is estimated, and what was asked for, unless the connection broke."""
        answers, self._answers = self._answers, {}
        waiting, self._waiting = self._waiting, []
        self._lanes.clear()
        self.passes.clear()
        for asked in answers.values():
            quietly(self.meter, "read", lambda each: self._over(each, ended=False), asked)
        for asked in waiting:
            if error is None:
                quietly(self.meter, "read", lambda each: self._over(each, ended=False), asked)
            else:
                self._end(asked, error=error)
        if self.dialect.timed:
            quietly(self.meter, "read", lambda: self._close_timed(closed=False))
        self._let_go()

    def forget(self) -> None:
        """Never settle: this process is a copy of the one whose session it is."""
        self._standing = None
        self._waiting.clear()
        self._answers.clear()
