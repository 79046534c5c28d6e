# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transitions, signals, and service responses during inference."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from dataclasses import replace

import pytest
import rclpy
from oracle_model import write_oracle
from peers import GREY, NodeProcess, Peer, free_domain, image_of, info_of
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, PointCloud2

from dmd_ros.core.errors import CoreError
from dmd_ros.ros import diagnostics
from dmd_ros.ros import loader as loader_module
from dmd_ros.ros import node as node_module
from dmd_ros.ros import session as session_module
from dmd_ros.ros.params import Settings
from dmd_ros.runtime.errors import BackendError


@pytest.fixture(scope='module')
def slow(tmp_path_factory):
    """Return a model that takes seconds per frame with `steps` and `samples` as in SLOW."""
    folder = tmp_path_factory.mktemp('slow')
    return write_oracle(folder / 'slow.onnx', train_sizes=((480, 640),))


SLOW = {'steps': 64, 'samples': 2}


def test_every_transition_and_depth_only_while_active(running):
    with running(autostart=False) as robot:
        peer = robot.peer
        assert peer.state() == 'unconfigured'
        for _ in range(2):
            assert peer.transition('configure') and peer.state() == 'inactive'
            assert peer.node.count_subscribers('image') == 0
            for _ in range(2):
                assert peer.transition('activate') and peer.state() == 'active'
                peer.forget()
                peer.ask_grey()
                assert peer.transition('deactivate') and peer.state() == 'inactive'
                assert peer.until(lambda: peer.node.count_subscribers('image') == 0)
            assert peer.transition('cleanup') and peer.state() == 'unconfigured'
            assert peer.until(lambda: peer.node.count_publishers('depth/image') == 0)
        assert not peer.transition('activate')
        assert peer.transition('shutdown') and peer.state() == 'finalized'


@pytest.mark.parametrize(
    ('prepare', 'message'),
    [
        (lambda path: None, 'does not exist'),
        (lambda path: path.write_bytes(b'not a model'), 'is not a model'),
        (lambda path: write_oracle(path, metadata=False), 'carries no contract'),
        (lambda path: path.write_bytes(write_oracle(path).read_bytes()[:200]), 'is not a model'),
    ],
    ids=['missing', 'no model', 'no contract', 'truncated'],
)
def test_an_unusable_model_prevents_configuration_until_it_is_fixed(
    running, tmp_path, prepare, message
):
    path = tmp_path / 'model.onnx'
    prepare(path)
    with running(autostart=False, model=path) as robot:
        peer = robot.peer
        assert not peer.transition('configure')
        assert peer.state() == 'unconfigured'
        values = peer.wait_diagnostics(lambda d: d['level'] == 2)
        assert message in values['message'] and str(path) in values['message']
        robot.node.wait_line(f'cannot configure: {values["message"]}')
        write_oracle(path)
        assert peer.transition('configure') and peer.transition('activate')
        peer.ask_grey()
        assert peer.wait_diagnostics(lambda d: d['state'] == 'active')['level'] == 0


def test_a_missing_provider_prevents_configuration(running):
    with running(autostart=False, device='cuda') as robot:
        assert not robot.peer.transition('configure')
        robot.node.wait_line('no CUDAExecutionProvider')


# A node whose model load lasts until a file appears, like an engine build of minutes.
LONG_LOAD = """
import pathlib, sys, time
from dmd_ros.ros import loader, node

def load_in_the_end(*arguments, cancelled, **options):
    print('loading', flush=True)
    while not gate.exists() and not cancelled():
        time.sleep(0.01)
    return load(*arguments, cancelled=cancelled, **options)

gate = pathlib.Path(sys.argv.pop(1))
load, loader.load_estimator = loader.load_estimator, load_in_the_end
sys.exit(node.main())
"""


@pytest.mark.parametrize('interrupted', [False, True])
def test_services_respond_while_the_model_loads(oracle, tmp_path, interrupted):
    gate = tmp_path / 'gate'
    with free_domain() as domain:
        node = NodeProcess(
            domain,
            *(str(gate), '--ros-args', '-p', f'model:={oracle}', '-p', 'threads:=1'),
            command=[sys.executable, '-c', LONG_LOAD],
        )
        peer = Peer(domain, listen=('depth/image',))
        try:
            node.wait_line('loading')
            assert peer.state() == 'unconfigured'
            assert peer.set_parameter('steps', 3).successful
            assert peer.wait_diagnostics(lambda d: True)['state'] == 'unconfigured'
            assert 'active: ' not in node.output
            if not interrupted:
                gate.touch()
                node.wait_line('active: ')
                # Parameters changed in the meantime apply.
                assert peer.wait_diagnostics(lambda d: 'steps' in d)['steps'] == '3'
                peer.ask_grey()
        finally:
            code = node.stop()
            peer.close()
    assert code == 0 and 'Traceback' not in node.output, node.output


@pytest.fixture
def node(oracle):
    """Return a node in this process, for failures that cannot be caused from outside."""
    with free_domain() as domain:
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=domain)
        overrides = [Parameter('model', value=str(oracle)), Parameter('threads', value=1)]
        made = node_module.DmdNode(context=context, parameter_overrides=overrides)
        yield made
        made.destroy_node()
        rclpy.shutdown(context=context)


def state_of(node) -> str:
    return node._state_machine.current_state[1]


def fail(*_, **__):
    raise KeyError('nobody thought of this')


def test_a_composed_node_that_is_destroyed_while_active_leaves_no_worker(node):
    assert node.start()
    assert 'dmd_worker' in {thread.name for thread in threading.enumerate()}
    node.destroy_node()
    assert 'dmd_worker' not in {thread.name for thread in threading.enumerate()}


def test_a_destroyed_node_leaves_the_graph(node):
    """Clients of /dmd would otherwise wait for a node that never responds."""
    watcher = rclpy.create_node('watcher', context=node.context)
    assert '/dmd/get_state' in dict(watcher.get_service_names_and_types())
    node.destroy_node()
    assert '/dmd/get_state' not in dict(watcher.get_service_names_and_types())
    assert watcher.get_node_names() == ['watcher']
    watcher.destroy_node()


def test_a_second_node_on_the_same_topics_is_reported(node, monkeypatch):
    """With two cameras and no namespaces, both depths alternate on one topic."""
    monkeypatch.setattr(diagnostics, '_FORGOTTEN', 0.0)
    assert node.start()
    assert 'shared' not in node._session.judge()[1]
    other = rclpy.create_node('dmd', context=node.context)
    for kind, name in ((Image, 'depth/image'), (PointCloud2, 'points'), (Image, 'image')):
        other.create_publisher(kind, name, 1)
    told = node._session.judge()[1]['shared']
    assert told.startswith('another node also publishes /depth/image and /points')
    other.destroy_node()


def test_diagnostics_survive_a_deactivation_in_another_thread(node, monkeypatch):
    """A composing process may act on the node in a thread that does not spin it."""
    assert node.start()
    session = node._session
    close = session.close

    def diagnose_meanwhile():
        close()
        node._diagnose()  # by the timer, while the session ends
        session.judge()  # by a call that had started before

    monkeypatch.setattr(session, 'close', diagnose_meanwhile)
    assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS


def test_an_unexpected_error_while_configuring_is_reported_with_its_traceback(
    node, monkeypatch, capfd
):
    with monkeypatch.context() as broken:
        broken.setattr(loader_module, 'load_estimator', fail)
        assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert state_of(node) == 'unconfigured'
    told = capfd.readouterr().err
    assert "cannot configure: KeyError: 'nobody thought of this'" in told and 'Traceback' in told
    assert 'nobody thought of this' in node._failure
    # Not configured by `start`: the node belongs to a manager, which may retry.
    assert node.start() and state_of(node) == 'unconfigured'
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS and not node._failure


def test_a_manager_that_configures_while_the_model_loads_gets_it_and_keeps_the_node(
    node, monkeypatch
):
    loads, gate, load = [], threading.Event(), loader_module.load_estimator

    def slowly(*arguments, **options):
        loads.append(threading.current_thread())
        gate.wait()
        return load(*arguments, **options)

    monkeypatch.setattr(loader_module, 'load_estimator', slowly)
    ahead = threading.Thread(target=node.preload)
    ahead.start()
    while not loads:
        time.sleep(0.01)
    threading.Timer(0.3, gate.set).start()
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert loads == [ahead]
    assert node.trigger_cleanup() == TransitionCallbackReturn.SUCCESS
    ahead.join()
    assert node.start() and state_of(node) == 'unconfigured'
    node.preload()
    assert loads == [ahead]


def test_a_model_that_loads_during_shutdown_is_closed(node):
    node.preload()
    ahead = node._loader._ahead.estimator.backend
    assert node.trigger_shutdown() == TransitionCallbackReturn.SUCCESS
    assert node.start() and state_of(node) == 'finalized'
    with pytest.raises(BackendError, match='closed'):
        ahead.run({})


def test_a_preloaded_model_that_does_not_support_new_parameters_is_closed(tmp_path):
    path = write_oracle(tmp_path / 'regressor.onnx', noise='zeros')
    loader = loader_module.Loader(print, lambda: False)
    settings = Settings(model=str(path), threads=1)
    loader.preload(settings)
    ahead = loader._ahead.estimator.backend
    with pytest.raises(CoreError, match='deterministic'):
        loader.take(replace(settings, steps=2))
    with pytest.raises(BackendError, match='closed'):
        ahead.run({})


@pytest.mark.parametrize('after', [0, 1])
def test_an_activation_that_fails_halfway_leaves_nothing_behind_and_may_be_retried(
    node, monkeypatch, capfd, after
):
    made = []

    def subscription(*arguments):
        if len(made) == after:
            fail()
        made.append(whole(*arguments))
        return made[-1]

    whole = session_module.LadderSubscription
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    with monkeypatch.context() as broken:
        broken.setattr(session_module, 'LadderSubscription', subscription)
        assert node.trigger_activate() == TransitionCallbackReturn.FAILURE
    assert state_of(node) == 'inactive'
    told = capfd.readouterr().err
    assert "cannot activate: KeyError: 'nobody thought of this'" in told and 'Traceback' in told
    assert not [thread for thread in threading.enumerate() if thread.name == 'dmd_worker']
    assert not [s for s in node.subscriptions if s.topic_name == '/image']
    assert not any(publisher.is_activated for publisher in node._outputs._publishers.values())
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    assert state_of(node) == 'active' and not node._failure


def test_services_respond_during_inference_and_the_newest_frame_wins(running, slow):
    """Comparable nodes infer in the executor's callback, where everything waits for it."""
    with running(model=slow, peer={'listen': ('depth/image',)}, **SLOW) as robot:
        peer = robot.peer
        # The first pair may be sent more than once; the second is sent once, after all of those.
        for _ in range(2):
            peer.ask_grey()
        peer.received['depth/image'].clear()
        peer.received['diag'].clear()
        before = int(peer.wait_diagnostics(lambda d: int(d['processed']) > 1)['pairs'])
        # Both services are discovered before the time is measured.
        assert peer.state() == 'active' and peer.set_parameter('cloud_stride', 1).successful
        sent = [image_of(GREY, peer.stamp()) for _ in range(10)]
        for image in sent:
            peer.send(image, info_of(peer._stamp, header=image.header))
            images = int(peer.diagnostics()['images'])
            peer.wait_diagnostics(lambda d, images=images: int(d['images']) > images)
        started = time.monotonic()
        assert peer.state() == 'active'
        assert peer.set_parameter('cloud_stride', 2).successful
        answered = time.monotonic() - started
        assert len(peer.received['depth/image']) < 10, 'the model is too fast for this test'
        assert peer.wait(
            lambda: any(m.header == sent[-1].header for m in peer.received['depth/image'])
        )
        values = peer.wait_diagnostics(lambda d: int(d['processed']) >= 1)
        took = float(values['stage denoise (ms)']) * 1e-3
        assert answered < max(0.5, took), (answered, took)
        processed = [m.header.stamp for m in peer.received['depth/image']]
        assert processed == sorted(processed, key=lambda s: (s.sec, s.nanosec))
        # Every pair is accounted for.
        values = peer.wait_diagnostics(
            lambda d: int(d['pairs']) == int(d['processed']) + int(d.get('dropped: superseded', 0))
        )
        assert int(values['pairs']) == before + 10
        assert int(values['dropped: superseded']) > 0


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
@pytest.mark.parametrize('busy', [False, True], ids=['idle', 'busy'])
def test_signals_end_the_process_cleanly(running, oracle, slow, number, busy):
    options = {'model': slow, **SLOW} if busy else {'model': oracle}
    with running(**options, peer={'listen': ('depth/image',)}) as robot:
        peer = robot.peer
        if busy:
            peer.ask_grey()
            peer.send(image_of(GREY, peer.stamp()), info_of(peer._stamp))
        assert robot.node.stop(number) == 0  # and no traceback: see the fixture


COMPOSED = """
import sys
import rclpy
from dmd_ros.ros.node import DmdNode
rclpy.init()
node = DmdNode()
node.start()
try:
    rclpy.spin(node)
except KeyboardInterrupt:
    pass
except Exception:
    if rclpy.ok():  # spin itself may raise in several ways when its context ends
        raise
node.destroy_node()
"""


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_composed_node_whose_context_ends_during_a_frame_ends_quietly(slow, number):
    """rclpy's own signal handler shuts the context down under the worker."""
    values = {'model': slow, 'diagnostics_period': 0.1, **SLOW}
    arguments = [word for name, v in values.items() for word in ('-p', f'{name}:={v}')]
    with free_domain() as domain:
        command = [sys.executable, '-c', COMPOSED]
        process = NodeProcess(domain, '--ros-args', *arguments, command=command)
        peer = Peer(domain, listen=('depth/image',))
        process.wait_line('active: ')
        peer.ask_grey()
        seen = int(peer.wait_diagnostics(lambda d: d['state'] == 'active')['pairs'])
        peer.send(image_of(GREY, peer.stamp()), info_of(peer._stamp))
        peer.wait_diagnostics(lambda d: int(d['pairs']) > seen)
        assert process.stop(number) == 0, process.output
        peer.close()
    assert 'Traceback' not in process.output and 'context is invalid' not in process.output


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_stopped_process_ends_when_continued(running, number):
    """Ctrl-Z and `kill %1`: the kernel decides which thread gets the signal."""
    with running() as robot:
        process = robot.node._process
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        assert robot.node.wait() == 0


def test_many_signals_are_as_clean_as_one(running):
    """`ros2 launch` and the terminal both send SIGINT, at any time until the process has ended."""
    with running() as robot:
        process = robot.node._process
        end = time.monotonic() + 60.0
        while process.poll() is None and time.monotonic() < end:
            process.send_signal(signal.SIGINT)
            time.sleep(0.001)
        assert robot.node.stop(signal.SIGINT) == 0
