"""`prices refresh`: fetched from a real server, looked at hard, put in force whole; the last good ones stay."""

from __future__ import annotations

import gzip
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc.core.price_book import PriceBook
from ai_cost_calc.core.usage import Usage
from ai_cost_calc.errors import PriceDataError
from ai_cost_calc.prices import load_price_book, refresh
from ai_cost_calc.prices.kept import KEPT, KeptPrices
from ai_cost_calc.prices.refresh import Candidate, examine, fetch, put_in_force, restore
from ai_cost_calc.prices.source import Installed, installed
from tests.prices.published import MODELS, as_json, model_in, models_in, published

NOW = 1_795_600_000.0
Data = list[dict[str, Any]]
Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def folder(kept_prices: Path, tmp_path: Path) -> Path:
    """Where prices are kept; the bundled ones are compiled."""
    folder = tmp_path / "prices"
    folder.mkdir()
    for path in kept_prices.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    """A server on loopback that answers as told; gives its URL."""
    servers: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/data.json"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def says(body: bytes, status: int = 200, **headers: str) -> Answer:
    """An ordinary answer."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def with_prices(**rates: object) -> bytes:
    """The bundled data with other rates of gpt-5."""
    data = published()
    model_in(data, "openai", "gpt-5")["prices"].update(rates)
    return as_json(data)


def only_gpt_5(rate: int) -> bytes:
    """Data that knows one model."""
    model = {"id": "gpt-5", "match": {"equals": "gpt-5"}, "prices": {"input_mtok": rate}}
    return as_json([{"id": "openai", "name": "OpenAI", "api_pattern": "https://api", "models": [model]}])


def look(folder: Path, body: bytes) -> Candidate:
    """What is found in data."""
    return examine(body, "test", folder, now=NOW, on_fault=_fail)


def _fail(where: str, error: BaseException) -> None:
    raise AssertionError(where) from error


def gpt_5(book: PriceBook) -> int | None:
    """What a million input tokens cost."""
    return book.price(Usage(input_tokens=1_000_000), provider="openai", model="gpt-5", at=NOW).nanos


# Fetching.


def test_data_is_fetched_from_a_server(serve: Callable[[Answer], str]) -> None:
    """Plain, compressed, and behind a redirect."""
    body = b'[{"a": 1}]' * 10_000
    plain = serve(says(body))
    assert fetch(plain) == body
    assert fetch(serve(says(gzip.compress(body), Content_Encoding="gzip"))) == body
    assert fetch(serve(says(b"", 302, Location=plain))) == body


def test_data_is_read_from_a_file(tmp_path: Path) -> None:
    """A path, or a `file:` URL, for machines that reach no server."""
    (tmp_path / "data.json").write_bytes(b"[]")
    assert fetch(str(tmp_path / "data.json")) == fetch(f"file://{tmp_path}/data.json") == b"[]"


def _cut_short(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    request.wfile.write(b"[" * 10)


def _hang(request: BaseHTTPRequestHandler) -> None:
    time.sleep(20)


def _drip(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b" ")
        time.sleep(0.02)


def _no_http(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"\x00\x01 this is not HTTP\r\n\r\n")


def _loop(request: BaseHTTPRequestHandler) -> None:
    says(b"", 302, Location=request.path)(request)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (says(b"<html>oops", 500), "answered 500"),
        (says(b"", 404), "answered 404"),
        (_cut_short, "cannot be reached"),
        (_hang, "cannot be reached"),
        (_drip, "took longer than 0.3 s"),
        (_no_http, "cannot be reached"),
        (_loop, "cannot be reached"),
        (says(b"no gzip", Content_Encoding="gzip"), "cannot be reached"),
    ],
    ids=["500", "404", "cut short", "hangs", "drips", "no HTTP", "redirects for ever", "wrong encoding"],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_that_misbehaves(serve: Callable[[Answer], str], answer: Answer, said: str) -> None:
    """One error, which names the URL and what happened, within the time that was given."""
    url = serve(answer)
    with pytest.raises(PriceDataError, match=said) as caught:
        fetch(url, timeout_seconds=0.3)
    assert url in str(caught.value)
    assert "nothing was changed" in str(caught.value)


def test_a_bomb_is_not_unpacked(serve: Callable[[Answer], str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A small answer that would become a large one is left as soon as it is too large."""
    monkeypatch.setattr(refresh, "LARGEST", 2**20)
    url = serve(says(gzip.compress(bytes(2**24)), Content_Encoding="gzip"))
    with pytest.raises(PriceDataError, match="holds more than 1,048,576 bytes"):
        fetch(url)


@pytest.mark.parametrize("source", ["nowhere.json", "http://", "http://127.0.0.1:1/x", "ftp://example.org/x"])
def test_a_source_that_is_none(source: str) -> None:
    """A file that is not there, a URL that is none, a server that is not there."""
    with pytest.raises(PriceDataError, match="nothing was changed"):
        fetch(source, timeout_seconds=1)


# Looking at it.


def test_the_bundled_data_changes_nothing(folder: Path) -> None:
    """It is another version by name, and no difference and no concern is found."""
    candidate = look(folder, as_json(published()))
    assert (bool(candidate.differences), candidate.concerns, candidate.models) == (False, (), MODELS)
    assert candidate.before == str(installed())


def test_what_changes_is_said(folder: Path) -> None:
    """New models, models that are gone, and rates with old and new."""
    data = published()
    models = models_in(data, "openai")
    models.append({"id": "gpt-9", "match": {"equals": "gpt-9"}, "prices": {"input_mtok": 5}})
    models.remove(model_in(data, "openai", "gpt-4"))
    model_in(data, "openai", "gpt-5")["prices"]["input_mtok"] = Decimal("1.5")
    found = look(folder, as_json(data)).differences
    assert (found.added, found.removed) == ((("openai", "gpt-9"),), (("openai", "gpt-4"),))
    (change,) = found.rates
    assert (change.provider, change.model, change.context, change.rate) == (
        "openai",
        "gpt-5",
        "standard",
        "input_tokens",
    )
    assert change.old is not None
    assert change.new is not None
    assert (change.old.base, change.new.base, change.factor) == ("1.25", "1.5", Decimal("1.2"))


@pytest.mark.parametrize(
    ("rates", "concern"),
    [
        ({"input_mtok": Decimal("2.5")}, None),
        ({"input_mtok": Decimal("2.51")}, "openai/gpt-5, input_tokens: 2.01 times as much, from $1.25 to $2.51"),
        ({"input_mtok": Decimal("0.625")}, None),
        ({"input_mtok": Decimal("0.62")}, "openai/gpt-5, input_tokens: 0.496 times as much, from $1.25 to $0.62"),
        ({"input_mtok": 0}, "openai/gpt-5, input_tokens: from $1.25 to $0"),
        ({"input_mtok": None}, "openai/gpt-5, input_tokens: would have no price any more, $1.25 until now"),
        ({"input_audio_mtok": 50, "cache_audio_read_mtok": 5}, None),
        (
            {"output_mtok": {"base": 10, "tiers": [{"start": 5, "price": 90}, {"start": 9, "price": 12}]}},
            "openai/gpt-5, output_tokens: 9 times as much, from $10 to $90",
        ),
    ],
)  # fmt: skip
def test_jumps_are_held_back(folder: Path, rates: dict[str, Any], concern: str | None) -> None:
    """More than twice as much, less than half, free all of a sudden, or no price any more: somebody has to look."""
    assert look(folder, with_prices(**rates)).concerns == (() if concern is None else (concern,))


def test_a_jump_that_comes_later_is_held_back(folder: Path) -> None:
    """A price that begins in the future is looked at as of that day; likewise that of a context."""
    data = published()
    model = model_in(data, "openai", "gpt-5")
    model["prices"] = [
        {"prices": model["prices"]},
        {"constraint": {"start_date": "2030-01-01"}, "prices": {**model["prices"], "output_mtok": 100}},
    ]
    for variant in model["price_variants"]:
        if variant["when"] == {"processing": "batch"}:
            variant["prices"]["input_mtok"] = 6
    assert look(folder, as_json(data)).concerns == (
        "openai/gpt-5, input_tokens (processing=batch): 9.6 times as much, from $0.625 to $6",
        "openai/gpt-5, output_tokens: 10 times as much, from $10 to $100",
    )


@pytest.mark.parametrize("provider", ["openai", "anthropic", "mistral"])
@pytest.mark.parametrize("one_more", [False, True])
def test_a_provider_that_all_but_vanishes_is_held_back(
    folder: Path,
    provider: str,
    one_more: bool,  # noqa: FBT001 - one of two sides
) -> None:
    """Half of one provider's models may go; with one more somebody has to look, few as they are among all models."""
    data = published()
    models = models_in(data, provider)
    known = len({model["id"] for model in models})
    gone = known // 2 + one_more
    del models[:gone]
    said = look(folder, as_json(data)).concerns
    assert said == ((f"{gone} of {known} models of {provider} would be gone",) if one_more else ())


@pytest.mark.parametrize("one_more", [False, True])
def test_a_shrunk_list_is_held_back(folder: Path, one_more: bool) -> None:  # noqa: FBT001 - one of two sides
    """A twentieth of all models may go; with one more, somebody has to look."""
    gone = MODELS // 20 + one_more
    data = published()
    del models_in(data, "openrouter")[:gone]
    said = f"{gone} of {MODELS:,} models would be gone ({MODELS - gone:,} are in the new data)"
    assert look(folder, as_json(data)).concerns == ((said,) if one_more else ())


def test_what_is_no_price_data_leaves_what_is_in_force(folder: Path) -> None:
    """The error says what stays."""
    with pytest.raises(PriceDataError, match=r"test: this is no JSON .*genai-prices-.* stays in force"):
        look(folder, b"<html>")


# Putting it in force.


def keep(folder: Path, body: bytes, now: float = NOW) -> str:
    """Put data in force, whatever is odd about it."""
    candidate = look(folder, body)
    put_in_force(candidate, folder, now=now)
    return candidate.version


def test_fetched_prices_are_in_force(folder: Path) -> None:
    """For whoever loads prices from then on; costs name the version."""
    before = load_price_book(folder)
    version = keep(folder, with_prices(input_mtok=2))
    after = load_price_book(folder)
    assert (gpt_5(before), gpt_5(after)) == (1_250_000_000, 2_000_000_000)
    assert (before.version.rpartition(".")[0], after.version.rpartition(".")[0]) == (str(installed()), version)


def test_own_prices_lie_over_fetched_ones(folder: Path, tmp_path: Path) -> None:
    """The version names both."""
    (tmp_path / "prices.toml").write_text('[[discounts]]\nprovider = "openai"\npercent = 50')
    version = keep(folder, with_prices(input_mtok=2))
    book = load_price_book(folder, own_prices=tmp_path / "prices.toml")
    assert gpt_5(book) == 1_000_000_000
    assert book.version.startswith(f"{version}+overlay-")


def test_the_last_good_ones_are_kept(folder: Path) -> None:
    """Some versions, each once; what was fetched again is not kept twice."""
    versions = [keep(folder, only_gpt_5(number), NOW + number) for number in range(1, 9)]
    assert [known.version for known, _ in KeptPrices(folder).versions()] == versions[: -KEPT - 1 : -1]
    keep(folder, only_gpt_5(6), NOW + 100)
    found = [known.version for known, _ in KeptPrices(folder).versions()]
    assert found == [versions[5], versions[7], versions[6], versions[4], versions[3]]
    assert gpt_5(load_price_book(folder)) == 6_000_000_000


@pytest.mark.parametrize("damage", ["cut", "changed", "no header", "empty"])
def test_damaged_ones_are_passed_over(folder: Path, damage: str) -> None:
    """The last good version is used, then the bundled one, and each time it is said."""
    keep(folder, only_gpt_5(2), NOW)
    keep(folder, only_gpt_5(3), NOW + 1)
    told: list[str] = []
    prices = []
    for _, path in KeptPrices(folder).versions():
        whole = path.read_bytes()
        path.write_bytes({
            "cut": whole[:-100],
            "changed": re.sub(rb'"input_mtok": [23]', b'"input_mtok": 9', whole),
            "no header": whole.partition(b"\n")[2],
            "empty": b"",
        }[damage])  # fmt: skip
        for compiled in folder.glob("genai-prices-fetched*"):
            compiled.unlink()
        prices.append(gpt_5(load_price_book(folder, on_fault=lambda where, error: told.append(where))))
    assert prices == [2_000_000_000, 1_250_000_000]
    assert len(told) == {"cut": 3, "changed": 3}.get(damage, 0)


def test_compiled_ones_that_are_lost_are_compiled_anew(folder: Path) -> None:
    """From the data as it was fetched."""
    keep(folder, with_prices(input_mtok=2))
    assert gpt_5(load_price_book(folder)) == 2_000_000_000
    for compiled in folder.glob("*.msgpack"):
        compiled.unlink()
    assert gpt_5(load_price_book(folder)) == 2_000_000_000


@pytest.mark.parametrize(("release", "used"), [("0.2.3", True), ("0.2.2", True), ("0.2.10", False), ("1.0", False)])
def test_a_newer_release_supersedes_what_was_fetched(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    release: str,
    used: bool,  # noqa: FBT001 - what is expected
) -> None:
    """After an upgrade of genai-prices its own data is in force, until the next refresh."""
    monkeypatch.setattr("ai_cost_calc.prices.source._release", lambda package: "0.2.3")
    keep(folder, with_prices(input_mtok=2))
    digest = installed().digest
    monkeypatch.setattr("ai_cost_calc.prices.installed", lambda: Installed(release, digest))
    assert (gpt_5(load_price_book(folder)) == 2_000_000_000) is used


def test_a_folder_that_cannot_be_written_changes_nothing(folder: Path) -> None:
    """What was in force stays, and nothing half-written is left."""
    candidate = look(folder, with_prices(input_mtok=2))
    (folder / "fetched").write_text("in the way")
    with pytest.raises(PriceDataError, match="cannot be written"):
        put_in_force(candidate, folder, now=NOW)
    assert gpt_5(load_price_book(folder)) == 1_250_000_000


def test_refreshing_at_once_leaves_one_in_force(folder: Path) -> None:
    """Eight at the same time, of four contents: whole files, each version once, the newest in force."""
    candidates = [look(folder, only_gpt_5(number % 4 + 1)) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pair: put_in_force(pair[1], folder, now=NOW + pair[0]), enumerate(candidates)))
    kept = KeptPrices(folder)
    for known, path in kept.versions():
        kept.read(known, path)
    assert gpt_5(load_price_book(folder)) == 4_000_000_000
    assert not list(folder.rglob("*.new"))


def test_going_back(folder: Path) -> None:
    """To a version that is kept, or to the bundled one; names may be cut."""
    first = keep(folder, only_gpt_5(2), NOW)
    keep(folder, only_gpt_5(3), NOW + 1)
    assert restore(first.removeprefix("genai-prices-")[:15], folder, now=NOW + 2) == first
    assert gpt_5(load_price_book(folder)) == 2_000_000_000
    assert restore("bundled", folder, now=NOW + 3) == str(installed())
    assert gpt_5(load_price_book(folder)) == 1_250_000_000
    assert load_price_book(folder).version.startswith(f"{installed()}.")
    restore(first, folder, now=NOW + 4)
    assert gpt_5(load_price_book(folder)) == 2_000_000_000
    with pytest.raises(PriceDataError, match="no version 'nothing' is kept"):
        restore("nothing", folder, now=NOW)


def test_going_back_to_a_damaged_version(folder: Path) -> None:
    """Is refused."""
    version = keep(folder, with_prices(input_mtok=2))
    ((_, path),) = KeptPrices(folder).versions()
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(PriceDataError, match="changed or cut short"):
        restore(version, folder, now=NOW + 1)
