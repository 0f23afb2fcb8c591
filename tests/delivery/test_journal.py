"""The files: what is written, what a reader makes of damage, who owns which."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import msgspec
import pytest

from ai_cost_calc.core.event import UsageEvent
from ai_cost_calc.delivery.journal import Journal
from ai_cost_calc.delivery.lines import decode, encode
from ai_cost_calc.delivery.segment import CHUNK_BYTES, HEADER_BYTES, Segment, TornWrite, is_free, journals
from tests.delivery.support import PATIENCE_SECONDS, make_event, make_events, open_descriptors


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal in an empty folder."""
    return Journal(tmp_path, clock=lambda: 1_763_900_000.0)


def _line(name: object) -> bytes:
    return encode(make_event(name)) + b"\n"


def _ids(lines: list[bytes]) -> list[str]:
    return [record.id for record in decode(lines).records]


def test_a_line_comes_back_as_the_record_it_was() -> None:
    """What a reader gets is the record that was put, revenue and every optional field included."""
    event = make_event(
        "a", tags={"type": "x", "q": '{"type":"usage"'}, unpriced=("images",), complete=False, token="t-1"
    )
    assert decode([encode(event)]).records == [event]


def test_nothing_is_made_before_the_first_record(tmp_path: Path, journal: Journal) -> None:
    """A process that records nothing leaves no file, and writing before one is open says so."""
    with pytest.raises(OSError, match="Bad file descriptor") as failed:
        journal.append(_line("a"))
    assert failed.value.errno == errno.EBADF
    assert list(tmp_path.iterdir()) == []


def test_lines_are_read_in_order_and_acknowledged_for_good(journal: Journal) -> None:
    """Another reader of the same file goes on where the first one acknowledged."""
    for name in "abc":
        journal.append_first(_line(name))
    assert journal.live is not None
    assert journal.waiting() == 3
    lines = journal.live.read()
    journal.live.acknowledge(lines[:2])
    assert journal.waiting() == 1
    assert _ids(Segment.open(journal.live.path).read()) == ["c"]


@pytest.mark.parametrize("counted", [False, True])
def test_waiting_is_right_whether_or_not_it_was_asked_before(journal: Journal, *, counted: bool) -> None:
    """The count follows appends and acknowledgements, in any order of looking."""
    for name in range(10):
        journal.append_first(_line(name))
        if counted:
            assert journal.waiting() == name + 1
    assert journal.live is not None
    journal.live.acknowledge(journal.live.read()[:4])
    journal.append(_line("more"))
    assert journal.waiting() == 7


def test_a_line_longer_than_a_chunk_is_read_whole(journal: Journal) -> None:
    """A record of any size comes back."""
    event = make_event("long", tags={"note": "x" * (3 * CHUNK_BYTES)})
    journal.append_first(encode(event) + b"\n")
    journal.append(_line("next"))
    assert journal.live is not None
    found = []
    while lines := journal.live.read():
        journal.live.acknowledge(lines)
        found += decode(lines).records
    assert found == [event, make_event("next")]


def test_a_living_owner_keeps_its_journal(tmp_path: Path, journal: Journal) -> None:
    """Nobody can take over a file that is being written, also not within the same process."""
    journal.append_first(_line("a"))
    assert journal.live is not None
    assert Journal(tmp_path, clock=lambda: 0.0).orphans() == []
    assert Segment.open_locked(journal.live.path) is None


def test_a_rotated_file_waits_for_writes_that_are_still_running(journal: Journal) -> None:
    """As long as any descriptor still writes to the old file, nobody may believe to have read all of it."""
    journal.append_first(_line("a"))
    running_write = os.dup(journal._fd)
    journal.rotate()
    [old] = journal.rotated
    assert not old.lock()
    os.write(running_write, _line("b"))
    os.close(running_write)
    assert old.lock()
    assert _ids(old.read()) == ["a", "b"]


def test_rotation_keeps_the_number_that_writers_use(journal: Journal) -> None:
    """A thread that read the descriptor before a rotation writes to the new file, never to a stranger's."""
    journal.append_first(_line("a"))
    number = journal._fd
    journal.rotate()
    os.write(number, _line("b"))
    assert journal.live is not None
    assert _ids(journal.live.read()) == ["b"]


def test_a_stopped_journal_refuses_late_writers(tmp_path: Path, journal: Journal) -> None:
    """After the end the number stays taken and cannot be written to, and the file is free to be adopted."""
    journal.append_first(_line("a"))
    number = journal._fd
    journal.stop()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(number, _line("b"))
    assert not journal.append_first(_line("b"))
    [path] = tmp_path.glob("*.journal")
    assert is_free(path)


def test_late_lines_share_a_file_until_somebody_adopts_it(tmp_path: Path, journal: Journal) -> None:
    """Records after the end go to one file that nobody owns, then to the next one, and none goes to a deleted file."""
    journal.stop()
    journal.append_late(_line("a"))
    journal.append_late(_line("b"))
    [path] = tmp_path.glob("*.journal")
    adopter = Journal(tmp_path, clock=lambda: 0.0)
    adopted = adopter.adopt(path)
    assert adopted is not None
    assert _ids(adopted.read()) == ["a", "b"]
    journal.append_late(_line("c"))
    adopted.delete()
    journal.append_late(_line("d"))
    [second] = tmp_path.glob("*.journal")
    assert _ids(Segment.open(second).read()) == ["c", "d"]


def test_a_descriptor_that_the_application_closed_is_let_go(tmp_path: Path, journal: Journal) -> None:
    """A daemon that closes every descriptor: its own next file gets the number, and never one of our lines."""
    journal.append_first(_line("a"))
    number = journal._fd
    os.close(number)
    somebody_elses = os.open(tmp_path / "theirs", os.O_CREAT | os.O_RDWR)
    assert somebody_elses == number
    journal.disown_foreign()
    journal.append_first(_line("b"))
    assert (tmp_path / "theirs").read_bytes() == b""
    assert [record for segment in journal.own() for record in _ids(segment.read())] == ["a", "b"]
    os.close(somebody_elses)


def test_garbage_between_lines_costs_no_line() -> None:
    """Bytes that are no record are reported, and every record around them is read."""
    decoded = decode([encode(make_event("a")), b"\x00\xffgarbage", b"{}", b"", encode(make_event("b"))])
    assert [record.id for record in decoded.records] == ["a", "b"]
    assert [found for found, _ in decoded.unreadable] == [b"\x00\xffgarbage", b"{}"]


@pytest.mark.parametrize("cut", [1, 9, 40, -1])
def test_a_line_cut_short_does_not_swallow_the_next(cut: int) -> None:
    """A full disk leaves a fragment without a line end; the record glued to it is read."""
    fragment = encode(make_event("a", tags={"type": "usage", "n": '{"type":"usage"'}))[:cut]
    decoded = decode([fragment + encode(make_event("b", tags={"type": "usage"}))])
    assert [record.id for record in decoded.records] == ["b"]
    assert [found for found, _ in decoded.unreadable] == [fragment]


def test_a_damaged_header_delivers_everything_again(journal: Journal) -> None:
    """Where it cannot be read how far delivery came, it starts from the beginning, and damages nothing further."""
    for name in "ab":
        journal.append_first(_line(name))
    assert journal.live is not None
    fd = os.open(journal.live.path, os.O_RDWR)
    os.pwrite(fd, b"#", HEADER_BYTES - 3)
    os.close(fd)
    damaged = Segment.open(journal.live.path)
    assert _ids(damaged.read()) == ["a", "b"]
    damaged.acknowledge(damaged.read()[:1])
    assert _ids(damaged.read()) == ["a", "b"]


def test_a_short_write_is_known_by_its_fragment(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that the disk cut short is told apart from damage: its record is kept elsewhere."""
    journal.append_first(_line("a"))
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda fd, line: real_write(fd, line[:7]))
    with pytest.raises(TornWrite):
        journal.append(_line("b"))
    monkeypatch.undo()
    journal.append(_line("c"))
    assert journal.live is not None
    decoded = decode(journal.live.read())
    assert [record.id for record in decoded.records] == ["a", "c"]
    assert [journal.knows_fragment(found) for found, _ in decoded.unreadable] == [True]


def test_a_failed_beginning_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No half-made file stays where a journal could not be begun, and no descriptor leaks."""
    journal = Journal(tmp_path, clock=lambda: 0.0)
    monkeypatch.setattr(os, "write", lambda fd, line: 3)
    before = open_descriptors()
    with pytest.raises(TornWrite):
        journal.append_first(_line("a"))
    assert list(tmp_path.iterdir()) == []
    assert open_descriptors() <= before


def test_no_descriptor_for_a_reader_begins_nothing(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file can be made but not opened again, as when descriptors run out, none is left behind."""

    def refuse(path: Path) -> Segment:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)

    monkeypatch.setattr(Segment, "open", refuse)
    before = open_descriptors()
    with pytest.raises(OSError, match="Too many open files"):
        journal.append_first(_line("a"))
    assert list(tmp_path.iterdir()) == []
    assert open_descriptors() <= before


def test_concurrent_writers_never_mix_lines(journal: Journal) -> None:
    """8 threads of at least 1,000 appends each, while the file is rotated 20 times, leave whole lines only."""
    journal.append_first(_line("first"))
    written: list[list[str]] = [[] for _ in range(8)]
    start, rotated = threading.Barrier(9), threading.Event()

    def write(thread: int) -> None:
        start.wait(PATIENCE_SECONDS)
        mine = written[thread]
        while len(mine) < 1000 or not rotated.is_set():
            mine.append(f"{thread}-{len(mine)}")
            journal.append(_line(mine[-1]))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    start.wait(PATIENCE_SECONDS)
    for _ in range(20):
        journal.rotate()
    rotated.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    raw = b"".join(segment.path.read_bytes()[HEADER_BYTES:] for segment in journal.own())
    decoded = decode(raw.split(b"\n"))
    assert decoded.unreadable == []
    assert sorted(record.id for record in decoded.records) == sorted(
        ["first", *(name for mine in written for name in mine)]
    )


def test_a_file_deleted_between_opening_and_locking_is_nobodys(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two adopters, the one that comes second finds a file that the first has delivered and deleted."""
    journal.stop()
    journal.append_late(_line("a"))
    [path] = journals(tmp_path)
    real_open = Segment.open

    def open_too_late(path: Path) -> Segment:
        segment = real_open(path)
        path.unlink()
        return segment

    monkeypatch.setattr(Segment, "open", open_too_late)
    assert Segment.open_locked(path) is None


def test_a_synced_journal_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `disk`, every append, the first and the late ones too, waits until the disk has all of its line."""
    synced: list[int] = []
    real_sync = os.fsync

    def watched_sync(fd: int) -> None:
        real_sync(fd)
        synced.append(os.fstat(fd).st_size)

    monkeypatch.setattr(os, "fsync", watched_sync)
    journal = Journal(tmp_path, clock=lambda: 0.0, synced=True)
    journal.append_first(_line("a"))
    journal.append_synced(_line("b"))
    journal.stop()
    journal.append_late(_line("c"))
    header, line = HEADER_BYTES, len(_line("a"))
    assert synced[-3:] == [header + line, header + 2 * line, header + line]
    assert sorted(_ids(Segment.open(path).read()) for path in journals(tmp_path)) == [["a", "b"], ["c"]]


def test_records_stay_readable_for_people(journal: Journal) -> None:
    """Every line of a journal is plain JSON, its header too."""
    for event in make_events("ab"):
        journal.append_first(encode(event) + b"\n")
    assert journal.live is not None
    header, *lines = journal.live.path.read_bytes().splitlines()
    assert msgspec.json.decode(header) == {"delivered": HEADER_BYTES}
    assert [msgspec.json.decode(line, type=UsageEvent).id for line in lines] == ["a", "b"]
