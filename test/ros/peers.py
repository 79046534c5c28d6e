# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The real node in a separate process, and a peer in this one that talks to it over DDS.

Waiting is always for an event, with a timeout that a loaded machine does not reach.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from dmd_ros.ros import processes
from dmd_ros.runtime.child import child_command

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT, PATIENCE = 40.0, 10.0
GOALS = {
    'configure': 'inactive',
    'activate': 'active',
    'deactivate': 'inactive',
    'cleanup': 'unconfigured',
    'shutdown': 'finalized',
}
HEIGHT, WIDTH, FOCAL = 48, 64, 50.0
GREY = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
OUTPUTS = {
    'depth/image': Image,
    'depth/camera_info': CameraInfo,
    'points': PointCloud2,
    'depth/uncertainty': Image,
    'depth/color': Image,
}


def qos(reliable: bool = True, latched: bool = False, depth: int = 5) -> QoSProfile:
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


@contextlib.contextmanager
def free_domain() -> Iterator[int]:
    """Reserve a ROS domain that no other test process on this machine uses."""
    with processes.free_domain(range(100, 10, -1)) as domain:
        yield domain


class NodeProcess:
    """`python -m dmd_ros.ros.node` (or another command) with access to its output."""

    def __init__(
        self,
        domain: int,
        *arguments: str,
        command: list[str] | None = None,
        cwd: str | Path = ROOT,
        **env: str,
    ):
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            # A node that outlives killed tests would answer the next ones in its domain.
            [*(command or child_command('dmd_ros.ros.node')), *arguments],
            cwd=cwd,
            env={**os.environ, 'ROS_DOMAIN_ID': str(domain), 'OMP_NUM_THREADS': '1', **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return ''.join(self.lines)

    def wait_line(self, text: str, timeout: float = TIMEOUT) -> None:
        with self._changed:
            found = self._changed.wait_for(
                lambda: text in self.output or self._process.poll() is not None, timeout
            )
        assert found and text in self.output, f'{text!r} is not in:\n{self.output}'

    def wait(self, timeout: float = TIMEOUT) -> int:
        code = self._process.wait(timeout)
        self._reader.join(timeout)
        return code

    def stop(self, number: int = signal.SIGINT) -> int:
        """Signal the process (not its group) and return its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f'did not end on signal {number}:\n{self.output}') from None

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


class Peer:
    """A camera driver and a consumer in one node: publishes pairs, collects the outputs."""

    def __init__(
        self,
        domain: int,
        listen: tuple[str, ...] = ('depth/image', 'depth/camera_info', 'points'),
        reliable: bool = True,
        listen_reliable: bool = True,
        info_latched: bool = False,
        image_type: type = Image,
        image_topic: str = 'image',
        target: str = '/dmd',
    ) -> None:
        self.received: dict[str, list] = defaultdict(list)
        self._changed = threading.Condition()
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node('peer', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._image = self.node.create_publisher(image_type, image_topic, qos(reliable))
        self._info = self.node.create_publisher(
            CameraInfo, 'camera_info', qos(reliable, info_latched)
        )
        self._listeners = {}
        self._target = target
        self._clients: dict = {}
        for topic in listen:
            self.listen(topic, listen_reliable)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._keep('diag'), 10)
        self._stamp = 1_000_000_000_000
        self._acquainted: set[str] = set()
        self._reliable = reliable and listen_reliable
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def listen(self, topic: str, reliable: bool = True) -> None:
        self._listeners[topic] = self.node.create_subscription(
            OUTPUTS[topic], topic, self._keep(topic), qos(reliable, depth=50)
        )

    def close(self) -> None:
        rclpy.shutdown(context=self._context)
        self._thread.join(TIMEOUT)
        self.node.destroy_node()

    def aim(self, image: str, info: str) -> None:
        """Publish on other topics from now on."""
        self._image = self.node.create_publisher(self._image.msg_type, image, qos())
        self._info = self.node.create_publisher(CameraInfo, info, qos())

    def forget(self) -> None:
        """Wait for the node's subscriptions again at the next use."""
        self._acquainted.clear()

    # Sending.

    def stamp(self, seconds: float = 0.1) -> int:
        """Advance the camera's clock, ns."""
        self._stamp += round(seconds * 1e9)
        return self._stamp

    def send(self, image, info) -> None:
        self.send_info(info)
        self.send_image(image)

    def send_image(self, image) -> None:
        self._image.publish(image)

    def send_info(self, info) -> None:
        self._info.publish(info)

    def ask(self, image, info, *topics: str) -> SimpleNamespace:
        """Send one pair and wait for its outputs, which must arrive after it was sent.

        Until all sides have found each other, the pair is sent again and again.
        """
        topics = topics or tuple(self._listeners)
        stamp = (image.header.stamp.sec, image.header.stamp.nanosec)
        seen = {topic: len(self.received[topic]) for topic in topics}

        def answers() -> dict:
            return {
                topic: message
                for topic in topics
                for message in self.received[topic][seen[topic] :]
                if (message.header.stamp.sec, message.header.stamp.nanosec) == stamp
            }

        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            self.send(image, info)
            sure = self._reliable and self._acquainted.issuperset(topics)
            patience = TIMEOUT if sure else 1.0
            if self.wait(lambda: len(answers()) == len(topics), patience):
                self._acquainted.update(topics)
                return SimpleNamespace(
                    **{topic.replace('/', '_'): message for topic, message in answers().items()}
                )
        raise AssertionError(f'no {set(topics) - set(answers())}; last: {self.diagnostics()}')

    def ask_grey(self, *topics: str) -> SimpleNamespace:
        """Call `ask` with a new grey picture of the ideal camera."""
        stamp = self.stamp()
        return self.ask(image_of(GREY, stamp), info_of(stamp), *topics)

    # Receiving.

    def wait(self, condition: Callable[[], bool], timeout: float = TIMEOUT) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, timeout)

    def until(self, condition: Callable[[], bool], timeout: float = TIMEOUT) -> bool:
        """Poll until a condition without an event holds (for example in the ROS graph)."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.wait(condition, 0.05):
                return True
        return False

    def diagnostics(self) -> dict[str, str]:
        """Return the newest values, with 'level' (a number) and 'message'."""
        if not self.received['diag']:
            return {}
        status = self.received['diag'][-1].status[0]
        values = {item.key: item.value for item in status.values}
        return {**values, 'level': status.level[0], 'message': status.message}

    def wait_diagnostics(self, condition: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Return the first new diagnostics for which the condition holds."""
        found: list[dict[str, str]] = []

        def check() -> bool:
            values = self.diagnostics()
            if values and condition(values):
                found.append(values)
            return bool(found)

        assert self.wait(check), self.diagnostics()
        return found[0]

    # Services.

    def call(self, kind: type, service: str, request, timeout: float = TIMEOUT):
        """Repeat until answered: a server drops its answer to a client not yet discovered."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            answer = self.call_once(kind, service, request, min(timeout, PATIENCE))
            if answer is not None:
                return answer
        raise AssertionError(f'no answer from {service} within {timeout} s')

    def call_once(self, kind: type, service: str, request, timeout: float):
        # Kept, so that a second call does not include the time of discovery.
        client = self._clients.get(service)
        if client is None:
            client = self.node.create_client(kind, f'{self._target}/{service}')
            self._clients[service] = client
        assert client.wait_for_service(TIMEOUT), f'no service {service}'
        future = client.call_async(request)
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        return future.result() if done.wait(timeout) else None

    def set_parameter(self, name: str, value) -> SimpleNamespace:
        request = SetParameters.Request()
        request.parameters = [Parameter(name, value=value).to_parameter_msg()]
        return self.call(SetParameters, 'set_parameters', request).results[0]

    def get_parameter(self, name: str):
        values = self.call(GetParameters, 'get_parameters', GetParameters.Request(names=[name]))
        return Parameter.from_parameter_msg(
            rclpy.parameter.ParameterMsg(name=name, value=values.values[0])
        ).value

    def transition(self, label: str) -> bool:
        request = ChangeState.Request()
        request.transition.label = label
        before, deadline = self.state(), time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            answer = self.call_once(ChangeState, 'change_state', request, PATIENCE)
            if answer is not None:
                return answer.success
            # The state shows whether the request or the answer was lost.
            if self.state() == GOALS[label] != before:
                return True
        raise AssertionError(f'no answer from change_state to {label}')

    def state(self, timeout: float = TIMEOUT) -> str:
        return self.call(GetState, 'get_state', GetState.Request(), timeout).current_state.label

    def _keep(self, topic: str) -> Callable:
        def keep(message) -> None:
            with self._changed:
                self.received[topic].append(message)
                self._changed.notify_all()

        return keep

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()


def image_of(rgb: np.ndarray, stamp: int, frame_id: str = 'camera') -> Image:
    height, width = rgb.shape[:2]
    image = Image(encoding='rgb8', height=height, width=width, step=3 * width)
    image.data = rgb.tobytes()
    _head(image.header, stamp, frame_id)
    return image


def info_of(stamp: int, frame_id: str = 'camera', **changes) -> CameraInfo:
    """Describe the ideal camera of all tests; `changes` replace fields."""
    k = [FOCAL, 0.0, 31.0, 0.0, FOCAL, 24.0, 0.0, 0.0, 1.0]
    p = [FOCAL, 0.0, 31.0, 0.0, 0.0, FOCAL, 24.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    info = CameraInfo(height=HEIGHT, width=WIDTH, distortion_model='plumb_bob', d=[0.0] * 5)
    info.k, info.p, info.r = k, p, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    for name, value in changes.items():
        setattr(info, name, value)
    _head(info.header, stamp, frame_id)
    return info


def _head(header, stamp: int, frame_id: str) -> None:
    header.frame_id = frame_id
    header.stamp.sec, header.stamp.nanosec = divmod(stamp, 1_000_000_000)


def depth_of(message: Image) -> np.ndarray:
    kind = {'32FC1': np.float32, '16UC1': np.uint16}[message.encoding]
    return np.frombuffer(message.data, kind).reshape(message.height, message.width)


def points_of(message: PointCloud2) -> np.ndarray:
    """Return x, y, z, rgb as float32 [H, W, 4], using the field offsets."""
    raw = np.frombuffer(message.data, np.uint8)
    table = raw.reshape(message.height, message.row_step)
    table = table[:, : message.width * message.point_step]
    table = table.reshape(message.height, message.width, message.point_step)
    planes = [
        np.ascontiguousarray(table[..., f.offset : f.offset + 4]).view(np.float32)[..., 0]
        for f in message.fields
    ]
    return np.stack(planes, axis=-1)
