# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Child processes of the demo and the benchmark, which report JSON lines on their stdout."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from dmd_ros.ros.errors import NodeError
from dmd_ros.runtime.child import MODULE as CHILD
from dmd_ros.runtime.child import child_command
from dmd_ros.runtime.shared_files import share_folders

PROFILE = Path('config') / 'fastdds_large_data.xml'
# Domains rarely used by robots, with ports outside the ephemeral range of Linux.
_DOMAINS = range(215, 233)
_STOP_SECONDS = 10.0
_TAIL_LINES = 15

Event = dict[str, Any]
_SAYING = threading.Lock()


def say(event: str, **values: Any) -> None:
    """Report from a child to its parent, from any thread."""
    line = json.dumps({'event': event, **values}) + '\n'
    with _SAYING:  # print() alone interleaves the lines of two threads
        print(line, end='', flush=True)


def run_child(main: Callable[[], int | None], about: str | None, command: str) -> NoReturn:
    """Run `main` of a child; without the parent, exit instead of awaiting its orders forever.

    about: its docstring. command: the parent, for `python -m`.
    """
    if CHILD not in sys.orig_argv:
        what = (about or '').partition('\n')[0]
        sys.exit(f'{what} Not a stand-alone command: it is started by python -m {command}.')
    sys.exit(main())


@contextlib.contextmanager
def free_domain(domains: Sequence[int] = _DOMAINS) -> Iterator[int]:
    """Reserve a ROS domain that no other process on this machine has reserved this way."""
    for domain in domains:
        with contextlib.ExitStack() as held:
            try:
                # Another user's file cannot even be opened: that domain is taken.
                name = Path(tempfile.gettempdir()) / f'dmd_ros_domain_{domain}'
                fcntl.flock(held.enter_context(name.open('w')), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            yield domain
            return
    raise NodeError(
        f'the ROS domains {domains[0]} to {domains[-1]} are all reserved; set ROS_DOMAIN_ID to '
        'choose one'
    )


def environment() -> dict[str, str]:
    """Return the environment of the children, with the large-data profile."""
    profile = str(shared_file(PROFILE))
    return {
        **os.environ,
        'FASTDDS_DEFAULT_PROFILES_FILE': profile,
        'FASTRTPS_DEFAULT_PROFILES_FILE': profile,
        'PYTHONUNBUFFERED': '1',
    }


def shared_file(path: Path) -> Path:
    """Find a file in this package's share folder: source checkout, ament workspace, or pip."""
    tried = [folder / path for folder in share_folders()]
    for candidate in tried:
        if candidate.is_file():
            return candidate
    raise NodeError(f'{path} is not installed; looked for {", ".join(map(str, tried))}')


class Child:
    """A Python module running as a process; its stdout is events, its stderr goes to a log.

    It ends with this process, however that ends.
    """

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        events: queue.Queue[tuple[str, Event]],
    ) -> None:
        """Start; events appear in the queue as (name, event)."""
        self.name = name
        self.log = log
        self._log = log.open('w', encoding='utf-8')
        self.process = subprocess.Popen(
            child_command(module, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=dict(environment),
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(events,), daemon=True)
        self._reader.start()

    def tell(self, word: str) -> None:
        """Write one line to its stdin."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(word + '\n')
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self.trouble('has ended') from None

    def trouble(self, what: str) -> NodeError:
        """Return an error that includes the end of the log."""
        self._log.flush()
        lines = self.log.read_text(encoding='utf-8', errors='replace').splitlines()
        tail = '\n'.join(lines[-_TAIL_LINES:])
        return NodeError(f'the {self.name} process {what}; the end of {self.log}:\n{tail}')

    def stop(self) -> int:
        """Interrupt it as Ctrl-C does and wait; return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self._reader.join(_STOP_SECONDS)
        self._log.close()
        return status

    def _read(self, events: queue.Queue[tuple[str, Event]]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                self._log.write(line)
                continue
            events.put((self.name, event))


class Family:
    """Children that are all stopped when the `with` statement ends, even after an error.

    logs: folder of their stderr.
    """

    def __init__(self, logs: Path) -> None:
        """Start nothing yet."""
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._environment = environment()
        self._held = contextlib.ExitStack()
        # A domain that the user has set is kept.
        if 'ROS_DOMAIN_ID' not in self._environment:
            domain = self._held.enter_context(free_domain())
            self._environment['ROS_DOMAIN_ID'] = str(domain)
        self._events: queue.Queue[tuple[str, Event]] = queue.Queue()
        self.children: dict[str, Child] = {}

    def __enter__(self) -> Family:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything, even if stopping one of them is interrupted."""
        self._held.close()

    def start(self, name: str, module: str, *arguments: str) -> Child:
        """Start `python -m module arguments`."""
        log = self._logs / f'{name}.log'
        child = Child(name, module, arguments, log, self._environment, self._events)
        self._held.callback(child.stop)
        self.children[name] = child
        return child

    def start_node(self, parameters: Mapping[str, Any], *arguments: str) -> Child:
        """Start the real node with the given parameters (Python values) and --ros-args."""
        settings: list[str] = []
        for name, value in parameters.items():
            settings += ['-p', f'{name}:={_yaml(value)}']
        return self.start('node', 'dmd_ros.ros.node', '--ros-args', *settings, *arguments)

    def events(self, patience: float) -> Iterator[tuple[str, Event]]:
        """Yield events until none has arrived for `patience` seconds.

        Raises `NodeError` as soon as a child has failed.
        """
        waited_from = time.monotonic()
        while time.monotonic() - waited_from < patience:
            try:
                found = self._events.get(timeout=0.1)
            except queue.Empty:
                self._check()
                continue
            yield found
            waited_from = time.monotonic()

    def wait_for(self, name: str, event: str, patience: float = 30.0) -> Event:
        """Wait for one event and discard others."""
        ends = time.monotonic() + patience
        for source, found in self.events(patience):
            if source == name and found['event'] == event:
                return found
            if time.monotonic() > ends:
                break
        raise self.children[name].trouble(f'did not report {event!r} in {patience:g} s')

    def _check(self) -> None:
        for child in self.children.values():
            status = child.process.poll()
            if status:
                raise child.trouble(f'ended with status {status}')


def _yaml(value: Any) -> str:
    """Format a parameter value for the command line; strings are quoted, so 'true' stays one."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value)
