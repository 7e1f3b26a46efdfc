"""`vidalign build chains` as its users meet it: processes, kills, signals, judges over HTTP that do everything wrong."""

import asyncio
import json
import math
import signal
from collections import Counter

import pytest

CONCURRENCY = 4


def lines_of(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def read(folder):
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text("utf-8").splitlines()]
    return {row["id"]: [item[0]["content"] for item in row["ranked"]] for row in rows}


@pytest.fixture
def start(chains, first):
    """Rows on disk, and the command on them."""

    def run(count, **options):
        source = chains.captions([first(number) for number in range(count)])
        return lambda *args, **more: chains.start(
            source, "out", "--concurrency", CONCURRENCY, *args, **{**options, **more}
        )

    return run


def ended(process):
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def test_each_row_once_with_whole_chains(chains, start, degrader, first):
    code, out, err = ended(start(20)(judge=degrader))
    assert (code, err) == (0, "")
    assert "20 chains with 100 captions written to out" in out and "80 questions: 80 answered" in out
    found = read(chains.folder / "out")
    assert list(found) == list(range(20))
    assert all(found[number][0] == first(number) and len(found[number]) == 5 for number in found)
    assert max(Counter(json.dumps(data) for data in degrader.asked).values()) == 1
    assert sorted(path.name for path in chains.folder.iterdir()) == ["in.jsonl", "out"]


def test_chains_grow_side_by_side(start, degrader, judge_server):
    """Half of the 64 questions are answered once four are there: one after the other they would not come to an end."""
    server, answer = degrader.server, degrader.server.behave
    under_way, most = set(), []

    def behave(number, body):
        async def together(request):
            under_way.add(number)
            most.append(len(under_way))
            while len(server.requests) < min(32, number - number % CONCURRENCY + CONCURRENCY):
                await asyncio.sleep(0.005)
            under_way.discard(number)
            return judge_server.web.json_response(judge_server.completion(answer(number, body)))

        return together

    server.behave = behave
    assert ended(start(16)(judge=degrader))[0] == 0
    assert max(most) <= CONCURRENCY and len(server.requests) == 64


@pytest.mark.parametrize("cache", [False, True])
def test_killed_three_times_every_row_comes_once_and_nothing_finished_is_asked_again(
    chains, start, start_degrader, wait_until, cache
):
    degrader = start_degrader()
    begin = start(40)
    journal = chains.folder / "out" / "stages" / "chains.0.jsonl"

    def command():
        if not cache:
            return begin(judge=degrader)
        folder = chains.folder / "cache"
        return begin("--judge", "judge", "--api-base", degrader.server.url, "--cache-dir", folder)

    finished = set()
    for _ in range(3):
        before = lines_of(journal)
        degrader.server.held_from = len(degrader.asked) + 44  # so that it is in the middle when it is killed
        process = command()
        wait_until(lambda before=before: lines_of(journal) >= before + 4)
        process.kill()
        process.communicate()
        kept = [json.loads(line)["row"] for line in journal.read_bytes().split(b"\n")[1:-1]]
        assert len(set(kept)) == len(kept) > len(finished)
        finished = set(kept)
    assert not (chains.folder / "out" / "train.jsonl").exists()
    degrader.server.held_from = math.inf
    asked = len(degrader.asked)
    code, out, _ = ended(command())
    assert code == 0 and "40 chains with 200 captions" in out
    later = [data["caption"] for data in degrader.asked[asked:]]
    assert not any(f"number {row}," in caption for row in finished for caption in later)
    found = read(chains.folder / "out")
    assert list(found) == list(range(40)) and all(len(captions) == 5 for captions in found.values())
    repeated = sum(count - 1 for count in Counter(json.dumps(data) for data in degrader.asked).values())
    # With the cache a kill loses the questions under way; without it, the chains under way, of which there are twice as many.
    assert repeated <= 3 * (CONCURRENCY if cache else 2 * CONCURRENCY * 4)
    uninterrupted = ended(chains.start(chains.folder / "in.jsonl", "whole", judge=degrader))
    assert uninterrupted[0] == 0 and read(chains.folder / "whole") == found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_and_it_goes_on(chains, start, start_degrader, wait_until, number):
    degrader = start_degrader()
    degrader.server.held_from = 44
    begin = start(20)
    process = begin(judge=degrader)
    wait_until(lambda: lines_of(chains.folder / "out" / "stages" / "chains.0.jsonl") > 3)
    process.send_signal(number)
    code, _, err = ended(process)
    assert code == 128 + number and f"stopped by {number.name}" in err and "start the same again" in err
    degrader.server.held_from = math.inf
    assert ended(begin(judge=degrader))[0] == 0
    assert list(read(chains.folder / "out")) == list(range(20))


@pytest.mark.parametrize(
    ("behaviour", "reason", "most"),
    [
        ("rejects", "refused", 12),
        ("two", "not_local", 3),
        ("same", "unchanged", 3),
        ("shortens", "length", 3),
    ],
)
def test_a_judge_that_never_gives_a_step(chains, start, degrader, behaviours, behaviour, reason, most):
    degrader.behave = behaviours[behaviour]
    code, _, err = ended(start(5)(judge=degrader))
    assert code == 1 and f"no row has a chain of 2 captions ({reason} 5)" in err
    assert 5 <= len(degrader.asked) <= 5 * most
    assert not (chains.folder / "out" / "train.jsonl").exists()
    # What it came to is kept: the same again asks nothing.
    asked = len(degrader.asked)
    assert ended(start(5)(judge=degrader))[0] == 1 and len(degrader.asked) == asked


def test_a_judge_that_answers_garbage(chains, start, degrader, behaviours):
    degrader.behave = behaviours["garbage"]
    code, _, err = ended(start(4)(judge=degrader))
    assert code == 1 and "no usable answer for 4 of 4 rows" in err and "row 0: degrade: no_json" in err
    assert not (chains.folder / "out").exists()
    degrader.behave = lambda data: behaviours["garbage" if "number 2," in data["caption"] else "good"](data)
    code, _, err = ended(start(4)(judge=degrader))
    assert code == 1 and "1 of 4 rows" in err and "--allow-missing" in err
    code, out, err = ended(start(4)("--allow-missing", judge=degrader))
    assert code == 0 and "3 chains" in out and "left out (degrade: no_json): row 2" in err
    assert list(read(chains.folder / "out")) == [0, 1, 3]


def test_a_judge_that_undoes_an_earlier_error_gives_short_chains(chains, start, degrader, behaviours):
    degrader.behave = behaviours["reverts"]
    code, out, _ = ended(start(5)(judge=degrader))
    assert code == 0 and "5 chains with 10 captions" in out
    assert "chains that ended early: reverts_earlier 5" in out
    assert "answers that did not count: reverts_earlier 15" in out
    assert all(len(captions) == 2 for captions in read(chains.folder / "out").values())
    assert "| reverts_earlier | 5 |" in (chains.folder / "out" / "README.md").read_text()


def test_rows_without_a_chain_are_left_out_and_named(chains, degrader, first):
    source = chains.captions([first(0), "Ein Hund läuft.", first(2), "狗在跑"])
    code, out, err = chains(source, "out", judge=degrader)
    assert code == 0 and "2 chains with 10 captions" in out and "left out (no_type): row 1, 3" in err
    assert list(read(chains.folder / "out")) == [0, 2]


def test_another_start_after_the_end_asks_nothing(chains, start, degrader):
    begin = start(3)
    assert ended(begin(judge=degrader))[0] == 0
    asked, text = len(degrader.asked), (chains.folder / "out" / "train.jsonl").read_bytes()
    code, _, err = ended(begin(judge=degrader))
    assert code == 2 and "is there already" in err and len(degrader.asked) == asked
    assert (chains.folder / "out" / "train.jsonl").read_bytes() == text
    code, _, err = ended(begin("--length", 3, "--resume", "restart", judge=degrader))
    assert code == 0 and all(len(captions) == 3 for captions in read(chains.folder / "out").values())


def test_a_journal_of_other_settings_is_refused(chains, start, degrader, wait_until):
    degrader.server.held_from = 32
    process = start(20)(judge=degrader)
    wait_until(lambda: lines_of(chains.folder / "out" / "stages" / "chains.0.jsonl") > 1)
    process.kill()
    process.communicate()
    code, _, err = ended(start(20)("--seed", 1, judge=degrader))
    assert code == 2 and "seed was 0 and is 1" in err and "--resume restart" in err


def test_offline_on_the_toy_world(chains):
    caption = "the background is grey . a red circle moves left . a blue square stays at the top right ."
    code, out, _ = chains(
        chains.captions([caption]), "out", "--judge", "toyworld", "--types", "colour, scene"
    )
    assert code == 0 and "ToyDegrader" in out
    (captions,) = read(chains.folder / "out").values()
    assert captions[0] == caption and len(captions) >= 3


def test_videos_that_lie_outside_are_spoken_of(chains, first, degrader):
    source = chains.folder / "in.jsonl"
    source.write_text(json.dumps({"caption": first(0), "videos": ["v/a.mp4"]}) + "\n")
    code, out, _ = chains(source, "out", judge=degrader)
    assert code == 0 and f"train with --media_root {chains.folder.resolve()}" in out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["in.jsonl", "out", "--judge", "lexical"], "--judge toyworld"),
        (["in.jsonl", "out"], "--judge toyworld"),
        (["in.jsonl", "out", "--judge", "toyworld", "--max-dollars", "1"], "--max-dollars is for a model"),
        (["in.jsonl", "out", "--judge", "toyworld", "--types", "color"], "did you mean colour?"),
        (["in.jsonl", "out", "--judge", "toyworld", "--method", "none"], "known are degrade"),
        (["in.jsonl", "out.jsonl", "--judge", "toyworld"], "leave the ending out"),
        (["in.jsonl", ".", "--judge", "toyworld"], "lies in"),
        (["no.jsonl", "out", "--judge", "toyworld"], "not there"),
        (["in.jsonl", "out", "--lenght", "3"], "unrecognized arguments: --lenght"),
    ],
)
def test_what_cannot_be_is_one_message(chains, first, args, said):
    chains.captions([first(0)])
    code, _, err = chains.here(*args)
    assert code == 2 and said in err and "Traceback" not in err
