"""`ai-cost-calc prices`: searching, showing, comparing, refreshing and stating prices, in real processes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ai_cost_calc.prices.source import installed
from tests.cli.conftest import PROGRAM, Run
from tests.prices.published import MODELS, as_json, model_in, models_in, published

OWN = """
[[prices]]
provider = "house"
model = "llama-70b"
rates = { input_tokens = "0.20", output_tokens = { base = "1.00", tiers = [{ above = 1000, price = "1.50" }] } }

[[discounts]]
provider = "anthropic"
model = "claude-sonnet-4-5"
percent = "12.5"
"""


@pytest.fixture
def data_folder(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own, with the bundled prices compiled."""
    folder = tmp_path / "data"
    (folder / "prices").mkdir(parents=True)
    for path in (data_dir / "prices").glob(f"{installed()}.v*.msgpack"):
        (folder / "prices" / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv("AI_COST_CALC_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of own prices, named by the environment."""
    path = tmp_path / "prices.toml"
    path.write_text(OWN)
    monkeypatch.setenv("AI_COST_CALC_PRICES", str(path))
    return path


def found(run: Run, *arguments: str, ok: int = 0) -> Any:
    """What a command says in JSON."""
    return json.loads(run("prices", *arguments, "--json", ok=ok).stdout)


# list and show.


def test_list_searches_every_model(run: Run) -> None:
    """All words have to be in the name; a provider narrows it down."""
    text = run("prices", "list", "claude", "sonnet", "4-5", "--provider", "anthropic").stdout
    line = next(line for line in text.splitlines() if line.startswith("anthropic/claude-sonnet-4-5"))
    assert line.split()[1:4] == ["$3.00+", "$0.30+", "$15.00+"]
    assert "dearer for large requests" in text
    assert str(installed()) in text
    assert "gpt" not in text
    assert len(found(run, "list")["models"]) == MODELS + 3  # Cohere's rerankers, which genai-prices has no price of
    assert {model["provider"] for model in found(run, "list", "phi", "--provider", "azure")["models"]} == {"azure"}


def test_list_in_json_has_every_digit(run: Run) -> None:
    """Rates are decimal strings, tiers beside them."""
    models = {one["model"]: one for one in found(run, "list", "gpt-5-mini", "--provider", "openai")["models"]}
    mini = models["gpt-5-mini"]
    assert (mini["rates"]["input_tokens"], mini["rates"]["cache_read_tokens"], mini["own"]) == ("0.25", "0.025", False)
    assert mini["context_window"] == 400_000


def test_a_search_that_finds_nothing_fails(run: Run) -> None:
    """Exit code 1, a word on stderr, and an empty list in JSON."""
    done = run("prices", "list", "no-such-model", ok=1)
    assert "no model is called that" in done.stderr
    assert done.stdout == ""
    assert found(run, "list", "no-such-model", ok=1)["models"] == []


@pytest.mark.usefixtures("own")
def test_own_prices_are_listed_and_marked(run: Run) -> None:
    """A model of your own is found; a discounted one shows what you pay."""
    text = run("prices", "list", "--provider", "house").stdout
    assert "house/llama-70b *" in text
    assert "your own prices" in text
    models = {one["model"]: one for one in found(run, "list", "sonnet-4", "--provider", "anthropic")["models"]}
    assert models["claude-sonnet-4-5"]["rates"]["output_tokens"]["base"] == "13.125"
    assert (models["claude-sonnet-4-5"]["own"], models["claude-sonnet-4-6"]["own"]) == (True, False)


def test_show_has_every_rate(run: Run) -> None:
    """Each rate, for each context and tier, with its unit, and where it comes from."""
    text = run("prices", "show", "openai/gpt-5").stdout
    for expected in ("openai/gpt-5", "400,000 tokens", "bundled with genai-prices", str(installed())):
        assert expected in text
    rows = [line.split() for line in text.splitlines()]
    assert ["input", "tokens", "standard", "$1.25", "1,000,000"] in rows
    assert ["output", "tokens", "service_tier=priority", "$20.00", "1,000,000"] in rows
    shown = found(run, "show", "gpt-5")
    assert shown["rates"]["standard"]["input_tokens"] == "1.25"
    assert shown["rates"]["processing=batch"]["input_tokens"] == "0.625"
    assert {price["from"] for price in shown["schedule"]} > {None}


def test_show_at_another_time(run: Run) -> None:
    """The rates of a day: OpenAI's o3 cost $10 before 2025-06-10, then $2."""
    before, after = (found(run, "show", "openai/o3", "--at", day) for day in ("2025-06-01", "2025-07-01"))
    assert (before["rates"]["standard"]["input_tokens"], after["rates"]["standard"]["input_tokens"]) == ("10", "2")


@pytest.mark.usefixtures("own")
def test_show_says_whose_price_it_is(run: Run, own: Path) -> None:
    """Your file, and its hash in the version; Google's Claude stays at what is listed."""
    shown = found(run, "show", "anthropic/claude-sonnet-4-5")
    assert shown["own"] is True
    assert str(own) in shown["source"]
    assert "+overlay-" in shown["version"]
    assert shown["rates"]["standard"]["input_tokens"]["base"] == "2.625"
    at_google = found(run, "show", "claude-sonnet-4-5", "--provider", "google")
    assert at_google["rates"]["standard"]["input_tokens"]["base"] == "3"


def test_show_of_an_unknown_model_says_how_to_search(run: Run) -> None:
    """Exit code 1."""
    assert "prices list" in run("prices", "show", "no/such", ok=1).stderr


@pytest.mark.parametrize("width", ["60", "80", "120", "200"])
def test_tables_fit_the_terminal(run: Run, own: Path, width: str) -> None:
    """No line is wider than it, and no figure is cut."""
    for arguments in (
        ("list", "gpt-5"), ("show", "claude-sonnet-4-5"), ("history", "gpt-5"), ("diff",)
    ):  # fmt: skip
        text = run("prices", *arguments, COLUMNS=width).stdout
        rows = [line for line in text.splitlines() if "genai-prices" not in line and str(own) not in line]
        assert max(map(len, rows)) <= int(width)
        assert "…" not in "".join(line for line in rows if "$" in line)


# history and diff.


def test_history_shows_prices_over_time(run: Run) -> None:
    """Each price of a model with its first day, and every version that is kept."""
    shown = found(run, "history", "openai/o3")
    days = [(price["from"], price["rates"]["input_tokens"]) for price in shown["schedule"] if not price["when"]]
    assert days == [(None, "10"), ("2025-06-10", "2")]
    assert [(one["source"], one["in_force"], one["rates"]["input_tokens"]) for one in shown["versions"]] == [
        ("bundled", True, "2")
    ]
    assert "2025-06-10" in run("prices", "history", "openai/o3").stdout
    assert "in force" in run("prices", "history").stdout


@pytest.mark.usefixtures("own")
def test_diff_compares_what_is_listed_with_what_you_pay(run: Run) -> None:
    """Without arguments: the bundled prices and those in force, own ones included."""
    said = found(run, "diff")
    assert said["added"] == ["house/llama-70b"]
    standard = {one["rate"]: one for one in said["rates"] if one["when"] == "standard"}
    for rate, old, new in (("input_tokens", "3", "2.625"), ("output_tokens", "15", "13.125")):
        assert (standard[rate]["old"]["base"], standard[rate]["new"]["base"]) == (old, new)
    assert {f"{one['provider']}/{one['model']}" for one in said["rates"]} == {"anthropic/claude-sonnet-4-5"}
    text = run("prices", "diff").stdout
    assert "New models (1)" in text
    assert "$2.625+" in text
    assert "No model and no price differs" in run("prices", "diff", "bundled", "bundled").stdout


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_reader_that_has_seen_enough_is_no_failure(data_folder: Path, options: tuple[str, ...]) -> None:
    """`prices list | head -1` ends well and says nothing, although most of the list was not read."""
    with subprocess.Popen(
        [PROGRAM, "prices", "list", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as listing:
        assert listing.stdout is not None
        assert listing.stdout.readline()
        listing.stdout.close()
        _, said = listing.communicate(timeout=60)
    assert (listing.returncode, said) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device here that is always full")
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_full_disk_is_one_line(data_folder: Path, options: tuple[str, ...]) -> None:
    """What cannot be written is said, without a traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PROGRAM, "prices", "list", *options], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_diff_with_a_version_that_is_not_there(run: Run, data_folder: Path) -> None:
    """The message names those that are."""
    assert "prices refresh" in run("prices", "diff", "refreshed", ok=2).stderr
    assert "bundled" in run("prices", "diff", "2019", ok=2).stderr


# refresh.


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A server that answers with its `body` and `status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(server.status)  # type: ignore[attr-defined]
            self.end_headers()
            self.wfile.write(server.body)  # type: ignore[attr-defined]

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def serve(server: ThreadingHTTPServer, body: bytes, status: int = 200) -> str:
    """Let the server answer with this; gives its URL."""
    server.body, server.status = body, status  # type: ignore[attr-defined]
    return f"http://127.0.0.1:{server.server_port}/data.json"


def fresh(rate: str) -> bytes:
    """The bundled data with a new model and another rate of gpt-5."""
    data = published()
    models_in(data, "openai").append({"id": "gpt-9", "match": {"equals": "gpt-9"}, "prices": {"input_mtok": 5}})
    model_in(data, "openai", "gpt-5")["prices"]["input_mtok"] = Decimal(rate)
    return as_json(data)


def test_refresh_puts_fetched_prices_in_force(run: Run, data_folder: Path, server: ThreadingHTTPServer) -> None:
    """It reports what changes; from then on every command and every program uses them."""
    text = run("prices", "refresh", "--url", serve(server, fresh("1.50"))).stdout
    for expected in (f"{MODELS + 1:,} models", "openai/gpt-9", "$1.25", "$1.50", "In force from now on"):
        assert expected in text
    assert json.loads(run("cost", "gpt-9", "--input", "1000", "--json").stdout)["total"] == "0.005"
    shown = found(run, "show", "gpt-5")
    assert shown["rates"]["standard"]["input_tokens"] == "1.5"
    assert shown["source"].startswith("refreshed 20")
    versions = found(run, "history", "gpt-5")["versions"]
    assert [(one["in_force"], one["rates"]["input_tokens"]) for one in versions] == [(True, "1.5"), (False, "1.25")]
    said = found(run, "diff", "bundled", "refreshed")
    assert (said["added"], len(said["rates"])) == (["openai/gpt-9"], 1)
    assert found(run, "refresh", "--url", serve(server, fresh("1.50")))["rates"] == []
    assert str(installed()) in run("prices", "refresh", "--restore", "bundled").stdout
    assert run("prices", "show", "gpt-9", ok=1).stdout == ""


def test_damaged_prices_are_not_shown_as_in_force(run: Run, data_folder: Path, server: ThreadingHTTPServer) -> None:
    """When the newest file is cut short, the one before is in force: `history` and `show` say so."""
    for rate in ("1.50", "1.60"):
        run("prices", "refresh", "--url", serve(server, fresh(rate)))
    newest = max((data_folder / "prices" / "fetched").iterdir())
    newest.write_bytes(newest.read_bytes()[:1_000])
    for compiled in (data_folder / "prices").glob("genai-prices-fetched*"):
        compiled.unlink()
    versions = found(run, "history")["versions"]
    assert [one["in_force"] for one in versions] == [False, True, False]
    shown = found(run, "show", "gpt-5")
    assert shown["rates"]["standard"]["input_tokens"] == "1.5"
    assert versions[1]["fetched_at"] in shown["source"]


def test_a_jump_waits_for_a_person(run: Run, data_folder: Path, server: ThreadingHTTPServer) -> None:
    """Without a terminal nobody is asked: exit code 1, the old ones stay; `--yes` says it was looked at."""
    url = serve(server, fresh("25"))
    done = run("prices", "refresh", "--url", url, ok=1)
    assert "openai/gpt-5, input_tokens: 20 times as much, from $1.25 to $25" in done.stderr
    assert "held back" in done.stderr
    held = found(run, "refresh", "--url", url, ok=1)
    assert (held["in_force"], len(held["concerns"])) == (False, 1)
    assert found(run, "show", "gpt-5")["rates"]["standard"]["input_tokens"] == "1.25"
    assert found(run, "refresh", "--url", url, "--yes")["in_force"] is True
    assert found(run, "show", "gpt-5")["rates"]["standard"]["input_tokens"] == "25"


@pytest.mark.parametrize(("answer", "in_force"), [(b"y\n", True), (b"n\n", False)])
def test_on_a_terminal_it_asks(
    run: Run,
    data_folder: Path,
    tmp_path: Path,
    answer: bytes,
    in_force: bool,  # noqa: FBT001 - what is expected
) -> None:
    """A person who looked may say yes or no."""
    (tmp_path / "fresh.json").write_bytes(fresh("25"))
    child, terminal = pty.fork()
    if not child:
        os.execv(PROGRAM, [str(PROGRAM), "prices", "refresh", "--url", str(tmp_path / "fresh.json")])  # noqa: S606
    os.write(terminal, answer)
    shown = b""
    try:
        while part := os.read(terminal, 4_096):
            shown += part
    except OSError:
        pass  # Linux ends a terminal whose program has ended with an error
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert b"Put these prices in force?" in shown
    assert os.waitstatus_to_exitcode(status) == (0 if in_force else 1)
    assert (found(run, "show", "gpt-5")["rates"]["standard"]["input_tokens"] == "25") is in_force


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((b"<html>Sign in</html>", 200), "this is no JSON"),
        ((b"", 503), "answered 503"),
        ((fresh("2")[:-9], 200), "this is no JSON"),
    ],
    ids=["html", "503", "truncated"],
)
def test_what_is_no_price_data_changes_nothing(
    run: Run, data_folder: Path, server: ThreadingHTTPServer, answer: tuple[bytes, int], said: str
) -> None:
    """One line on stderr, exit code 1, and what was in force stays, also with `--yes`."""
    run("prices", "refresh", "--url", serve(server, fresh("2")))
    done = run("prices", "refresh", "--yes", "--url", serve(server, *answer), ok=1)
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert found(run, "show", "gpt-5")["rates"]["standard"]["input_tokens"] == "2"


# override.


def test_override_states_a_price(run: Run, tmp_path: Path) -> None:
    """The file is made, commands price by it, and saying it again changes it."""
    path = tmp_path / "mine.toml"
    state = ("prices", "override", "openai/gpt-5", "--prices", str(path))
    run(*state, "--rate", "input_tokens=1.00", "--rate", "output_tokens=8,200000:12.50", "--from", "2026-07-01")
    assert path.read_text() == (
        '[[prices]]\nprovider = "openai"\nmodel = "gpt-5"\nfrom = 2026-07-01\nrates = { input_tokens = "1.00", '
        'output_tokens = { base = "8", tiers = [{ above = 200000, price = "12.50" }] } }\n'
    )
    said = json.loads(run(*state, "--rate", "input_tokens=0.9", "--from", "2026-07-01", "--json").stdout)
    assert said["file"] == str(path)
    assert "+overlay-" in said["version"]
    shown = found(run, "show", "openai/gpt-5", "--prices", str(path), "--at", "2026-08-01")
    assert shown["rates"]["standard"]["input_tokens"] == "0.9"
    run(*state, "--discount", "5", "--until", "2026-01-01")
    run(*state, "--rate", "input_tokens=0.4", "--when", "processing=batch")
    assert path.read_text().count("[[") == 3
    run(*state, "--remove", "--when", "processing=batch")
    assert path.read_text().count("[[") == 2
    run(*state, "--remove")
    assert "[[" not in path.read_text()
    assert "states nothing" in run(*state, "--remove", ok=1).stderr


def test_override_of_json(run: Run, tmp_path: Path) -> None:
    """A file whose name ends in .json stays JSON."""
    path = tmp_path / "mine.json"
    run("prices", "override", "llama", "--provider", "house", "--rate", "input_tokens=1", "--from", "2026-07-01",
        "--prices", str(path))  # fmt: skip
    assert json.loads(path.read_text()) == {
        "prices": [{"provider": "house", "model": "llama", "from": "2026-07-01", "rates": {"input_tokens": "1"}}]
    }


def test_override_never_leaves_a_broken_file(run: Run, tmp_path: Path) -> None:
    """What would not load is refused, and a file that is broken already is left alone."""
    path = tmp_path / "mine.toml"
    path.write_text("# mine\n" + OWN)
    before = path.read_text()
    state = ("prices", "override", "house/llama-70b", "--prices", str(path))
    assert "is no rate that is known" in run(*state, "--rate", "tokens=1", ok=2).stderr
    assert "which has no rate" in run("prices", "override", "house/other", "--prices", str(path), "--rate",
                                      "cache_read_tokens=1", ok=2).stderr  # fmt: skip
    assert path.read_text() == before
    path.write_text("[[prices")
    assert "no TOML" in run(*state, "--rate", "input_tokens=1", ok=2).stderr
    assert path.read_text() == "[[prices"
    assert [one.name for one in tmp_path.glob("mine*")] == ["mine.toml"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("openai/gpt-5", "--rate", "input_tokens=1"), "which file?"),
        (("gpt-5", "--rate", "input_tokens=1", "--prices", "p.toml"), "whose gpt-5?"),
        (("openai/gpt-5", "--prices", "p.toml"), "either --rate, --discount or --remove"),
        (("openai/gpt-5", "--rate", "input_tokens=1", "--remove", "--prices", "p.toml"), "either"),
        (("openai/gpt-5", "--rate", "input_tokens", "--prices", "p.toml"), "NAME=VALUE"),
        (("openai/gpt-5", "--rate", "input_tokens=cheap", "--prices", "p.toml"), "no amount"),
        (("openai/gpt-5", "--rate", "input_tokens=-1", "--prices", "p.toml"), "no amount"),
        (("openai/gpt-5", "--rate", "input_tokens=1,x:2", "--prices", "p.toml"), "write tiers as"),
        (("openai/gpt-5", "--rate", "input_tokens=1", "--from", "July", "--prices", "p.toml"), "no day"),
    ],
)
def test_override_says_what_is_missing(run: Run, arguments: tuple[str, ...], said: str) -> None:
    """Wrong usage is exit code 2, and no file is made."""
    assert said in run("prices", "override", *arguments, ok=2).stderr


def test_a_broken_file_is_named_by_every_command(run: Run, own: Path) -> None:
    """Exit code 2 with file, line and field; doctor says it too."""
    own.write_text(OWN.replace('"0.20"', "0.20"))
    expected = f"{own}, line 5, prices[0].rates.input_tokens: 0.20 is a float"
    for command in (("prices", "list"), ("cost", "gpt-5"), ("report",)):
        done = run(*command, ok=2)
        assert expected in done.stderr
        assert "Traceback" not in done.stderr
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json", ok=1).stdout)}
    assert checks["prices"]["state"] == "fail"
    assert expected in checks["prices"]["found"]


def test_override_leaves_alone_what_is_no_text(run: Run, data_folder: Path, tmp_path: Path) -> None:
    """Neither a file in another encoding nor a folder is written to; each is one line."""
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    for name, said in (("latin.toml", "line 1: the file is no text in UTF-8"), (".", "Is a directory")):
        done = run("prices", "override", "openai/gpt-5", "--discount", "5", "--prices", name, ok=2)
        assert done.stderr.startswith(("error: ", "\nerror: "))
        assert said in done.stderr
    assert (tmp_path / "latin.toml").read_bytes() == b"# caf\xe9\n"
