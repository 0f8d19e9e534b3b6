"""What every process is made of: supervision, signals, logs, config, backoff, debug listener, metrics."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from runtime import metrics
from runtime.backoff import exponential, jittered
from runtime.config import AgentConfig, BadConfig, Config, load
from runtime.debug import Debug
from runtime.log import JsonLines, request_id
from runtime.supervise import Ended, keep, serve
from tests.servers import free_port

pytestmark = pytest.mark.unit


# -- supervision


def forever(log: list[str], name: str, ending: float = 0.0) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(ending)
            log.append(name)
    return run


async def test_the_first_failure_ends_all_and_is_raised_bare_after_their_end() -> None:
    ended: list[str] = []

    async def fail() -> None:
        await asyncio.sleep(0.01)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await serve({"a": forever(ended, "a", 0.05), "b": forever(ended, "b"), "c": fail})
    assert sorted(ended) == ["a", "b"]


async def test_a_service_that_returns_is_a_failure_too() -> None:
    async def leave() -> None: ...

    with pytest.raises(Ended, match="the service quick returned"):
        await serve({"quick": leave, "a": forever([], "a")})


async def test_cancelling_serve_ends_all_in_order() -> None:
    ended: list[str] = []
    task = asyncio.create_task(serve({"a": forever(ended, "a"), "b": forever(ended, "b")}))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(ended) == ["a", "b"]


async def test_last_words_of_a_stopped_service_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def bitter() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("could not put it away")

    async def fail() -> None:
        raise ValueError("first")

    with caplog.at_level(logging.WARNING), pytest.raises(ValueError, match="first"):
        await serve({"bitter": bitter, "fail": fail})
    assert [vars(record)["task"] for record in caplog.records] == ["bitter"]


async def test_keep_restarts_with_growing_pauses_and_returns_when_done(caplog: pytest.LogCaptureFixture) -> None:
    tries, pauses = 0, list[int]()

    async def shaky() -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise ValueError(str(tries))

    def delays(failures: int) -> float:
        pauses.append(failures)
        return 0.001

    with caplog.at_level(logging.ERROR):
        await keep("shaky", shaky, delays)
    assert (tries, pauses) == (4, [1, 2, 3])
    assert [record.message for record in caplog.records] == ["task failed"] * 3


async def test_keep_forgets_old_failures_after_a_quiet_spell() -> None:
    pauses: list[int] = []

    async def fail() -> None:
        if len(pauses) == 3:
            raise asyncio.CancelledError
        await asyncio.sleep(0.02)
        raise ValueError

    def delays(failures: int) -> float:
        pauses.append(failures)
        return 0.0

    with pytest.raises(asyncio.CancelledError):
        await keep("slow", fail, delays, forget_after=0.01)
    assert pauses == [1, 1, 1]


PROGRAM = """
    import asyncio, sys
    from runtime.supervise import run_process
    async def main():
        print("up", flush=True)
        {body}
    sys.exit(run_process(main, "test"))
"""


def process(body: str) -> subprocess.Popen[str]:
    code = textwrap.dedent(PROGRAM).replace("{body}", textwrap.dedent(body).strip().replace("\n", "\n    "))
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                             env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
    assert child.stdout
    assert child.stdout.readline() == "up\n"
    return child


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_in_order(number: signal.Signals) -> None:
    child = process("""
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.1)
            print("put away", flush=True)
    """)
    child.send_signal(number)
    child.send_signal(number)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out) == (0, "put away\n")
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["message"] for line in lines if "again" not in line["message"]] == [
        "started", "told to stop", "stopped"]
    assert lines[1]["signal"] == number.name
    assert {line["component"] for line in lines} == {"test"}


def test_a_failure_is_logged_with_its_trace_and_the_exit_code_is_one() -> None:
    child = process("raise ValueError('broken')")
    _, err = child.communicate(timeout=20)
    assert child.returncode == 1
    last = json.loads(err.splitlines()[-1])
    assert last["message"] == "the process failed"
    assert "ValueError: broken" in last["error"]


# -- logs, config, backoff


def test_a_log_line_is_json_with_keys_and_the_request() -> None:
    record = logging.makeLogRecord({"name": "master.x", "levelname": "INFO", "msg": "pod started", "pod": "d/a",
                                    "created": 1_700_000_000.25, "odd": {1, }})
    token = request_id.set("r-5")
    try:
        line = json.loads(JsonLines("apiserver").format(record))
    finally:
        request_id.reset(token)
    assert line == {"time": "2023-11-14T22:13:20.250Z", "level": "info", "component": "apiserver",
                    "logger": "master.x", "message": "pod started", "request": "r-5", "pod": "d/a", "odd": [1]}


def test_config_is_read_and_a_typo_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text('{"cluster": "c", "bus": {"url": "tls://m:4222", "ca": "/ca"}, "debug_port": {"apiserver": 1}}')
    config = load(file, Config)
    assert (config.bus.url, config.debug_port["apiserver"], config.etcd.tls) == ("tls://m:4222", 1, None)
    file.write_text('{"node": "n1", "bus": {"urll": "x"}}')
    with pytest.raises(BadConfig, match=r"unknown field `urll`.*\$\.bus"):
        load(file, AgentConfig)
    with pytest.raises(BadConfig, match="cannot read"):
        load(tmp_path / "none", Config)


def test_backoff_grows_to_its_limit_and_jitter_only_shortens() -> None:
    delay = exponential(0.1, 2.0, 5.0)
    assert [delay(n) for n in (0, 1, 2, 3, 7, 10_000)] == [0.1, 0.1, 0.2, 0.4, 5.0, 5.0]
    chances = iter((0.0, 0.5, 1.0))
    shortened = jittered(delay, lambda: next(chances))
    assert [shortened(3) for _ in range(3)] == pytest.approx([0.4, 0.3, 0.2])


# -- debug and metrics


async def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    raw = (await reader.read()).decode()
    writer.close()
    head, _, body = raw.partition("\r\n\r\n")
    return int(head.split()[1]), body


async def test_the_debug_listener_tells_health_tasks_state_and_metrics() -> None:
    why = "not yet"
    port = free_port()
    debug = Debug(port, lambda: why)
    debug.show("answer", lambda: {"n": 42})
    task = asyncio.create_task(debug.run(), name="the debug task")
    async with asyncio.timeout(5):
        while True:
            try:
                assert await ask(port, "/healthz") == (503, "not yet\n")
                break
            except ConnectionError:
                await asyncio.sleep(0.01)
    why = ""
    assert await ask(port, "/healthz?verbose") == (200, "ok\n")
    assert "the debug task\n" in (await ask(port, "/debug/tasks"))[1]
    assert json.loads((await ask(port, "/debug/state"))[1]) == {"answer": {"n": 42}}
    assert "process_resident_memory_bytes" in (await ask(port, "/metrics"))[1]
    assert (await ask(port, "/healthz", "POST"))[0] == 405
    assert (await ask(port, "/none"))[0] == 404
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Oven:
    def __init__(self) -> None:
        self.waits = metrics.Histogram("test_wait_seconds", "waits", {"oven": 'a"b\n'}, (0.1, 1.0))

    def samples(self) -> list[metrics.Sample]:
        return [metrics.Sample("test_heat", 21.5, {"oven": "a"}, "degrees"), *self.waits.samples()]


def test_metrics_are_prometheus_text_and_die_with_their_part() -> None:
    oven = Oven()
    metrics.offer(oven)
    for wait in (0.05, 0.1, 0.5, 7):
        oven.waits.observe(wait)
    text = metrics.exposition().decode()
    assert '# TYPE test_heat gauge\ntest_heat{oven="a"} 21.5\n' in text
    label = r'oven="a\"b\n"'
    assert "# TYPE test_wait_seconds histogram\n" in text
    for line in (f'_bucket{{{label},le="0.1"}} 2', f'_bucket{{{label},le="1"}} 3', f'_bucket{{{label},le="+Inf"}} 4',
                 f"_sum{{{label}}} 7.6", f"_count{{{label}}} 4"):
        assert f"test_wait_seconds{line}" in text
    del oven
    assert b"test_heat" not in metrics.exposition()


def test_no_process_pays_for_libraries_it_does_not_use() -> None:
    heavy = ("aiohttp", "prometheus_client", "yaml", "docker", "aetcd", "grpc", "numpy")
    code = ("import sys, runtime.api, runtime.informer, runtime.leader, runtime.recorder, runtime.steps, runtime.debug,"
            f" runtime.supervise; print([m for m in {heavy} if m in sys.modules])")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
