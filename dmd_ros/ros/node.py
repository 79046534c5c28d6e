# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lifecycle node `dmd`: image + camera_info in, metric depth and clouds out."""

from __future__ import annotations

import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.exceptions import InvalidParameterTypeException, NameValidationException
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.logging import get_logger
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.utilities import remove_ros_args

from dmd_ros.core.errors import CoreError
from dmd_ros.estimator import DepthEstimator
from dmd_ros.ros import diagnostics, params
from dmd_ros.ros.errors import NodeError
from dmd_ros.ros.loader import Loader, retuned
from dmd_ros.ros.memory import keep_freed_memory
from dmd_ros.ros.outputs import Outputs
from dmd_ros.ros.services import refuse_what_fails
from dmd_ros.ros.session import Session
from dmd_ros.ros.spinner import Spinner, Stop
from dmd_ros.ros.transport import send_in_background
from dmd_ros.ros.usage import is_asked_for, tell
from dmd_ros.ros.waitables import outlive
from dmd_ros.runtime.errors import BackendError
from dmd_ros.runtime.shared_files import find_model

_SUCCESS = TransitionCallbackReturn.SUCCESS


class DmdNode(LifecycleNode):
    """Owns parameters and lifecycle; a `Session` does the work while the node is active.

    When composed, it may be spun by any executor, and any thread may call `start` and transitions.
    """

    def __init__(self, cancelled: Callable[[], bool] = lambda: False, **arguments: Any) -> None:
        """Declare the parameters; raises `NodeError` for one of the wrong type or value.

        cancelled: polled while an engine is built, which takes minutes; True stops the build.
        """
        # Set first: rclpy calls destroy_node() if its own constructor fails.
        self._loader = Loader(lambda text: self.get_logger().info(text), cancelled)
        self._estimator: DepthEstimator | None = None
        self._outputs: Outputs | None = None
        self._session: Session | None = None
        self._failure = self._model_file = ''
        try:
            super().__init__('dmd', **arguments)
        except InvalidParameterTypeException as error:
            # rclpy's own parameters, mainly use_sim_time; they are booleans.
            raise NodeError(f'{error}. Write the value as true or false') from None
        except (RuntimeError, NameValidationException) as error:
            # From rcl: a name that is too long, or no file handle or thread is left.
            raise NodeError(f'rclpy cannot create the node: {error}') from None
        self.settings = params.declare(self)
        self.add_on_set_parameters_callback(self._on_parameters)
        refuse_what_fails(self)
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        # Steady time: a missing /clock must still be reported under use_sim_time.
        self._timer = self.create_timer(
            self.settings.diagnostics_period,
            self._diagnose,
            clock=Clock(clock_type=ClockType.STEADY_TIME),
        )

    def preload(self) -> None:
        """Do the slow part of configuring, in any thread: load the model, build its engine."""
        self._loader.preload(self.settings)

    def start(self) -> bool:
        """Configure and activate; return whether it succeeded.

        Do nothing and return True if a lifecycle manager has already taken over.
        """
        if not self._loader.wanted:
            self._loader.drop()
            return True
        return self.trigger_configure() == _SUCCESS and self.trigger_activate() == _SUCCESS

    def build(self) -> bool:
        """Build the TensorRT engine for these parameters; return whether it succeeded."""
        try:
            path = self._loader.build(self.settings)
        except (BackendError, CoreError) as error:
            self.get_logger().error(f'cannot build: {error}')
            return False
        self.get_logger().info(f'engine ready: {path}')
        return True

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and create the publishers."""
        started = time.monotonic()
        try:
            self._model_file = str(find_model(self.settings.model or None))
            self._estimator = self._loader.take(self.settings)
            self._outputs = Outputs(self, self.settings.depth_encoding)
        except Exception as error:
            self.release()
            return self._refuse('configure', error)
        self._failure = ''
        for trouble in (*params.ignored(self), *params.idle(self.settings)):
            self.get_logger().warning(trouble)
        about = ', '.join(f'{key} {value}' for key, value in self._about().items())
        self.get_logger().info(f'configured in {time.monotonic() - started:.2f} s: {about}')
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and start working."""
        result = super().on_activate(state)
        assert self._estimator is not None and self._outputs is not None
        try:
            self._session = Session(self, self._estimator, self.settings, self._outputs)
        except Exception as error:
            # Inactive again, with the model loaded, so that a manager may retry.
            super().on_deactivate(state)
            return self._refuse('activate', error)
        self._failure = ''
        self.get_logger().info(
            f'active: {" + ".join(self._session.topics)} -> '
            f'{self.resolve_topic_name("depth/image")}, {self.resolve_topic_name("points")}'
        )
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe, and finish the current frame."""
        self._end_session()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release the model and the publishers."""
        self.release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release everything, in any state."""
        self.release()
        return super().on_shutdown(state)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to unconfigured, with nothing left behind."""
        self.release()
        return super().on_error(state)

    def release(self) -> None:
        """Stop the worker and release the model; may be called repeatedly."""
        self._end_session()
        if self._outputs is not None:
            self._outputs.close()
            self._outputs = None
        if self._estimator is not None:
            self._estimator.close()
            self._estimator = None
        self._loader.drop()

    def add_waitable(self, waitable: Any) -> None:
        """Add the events of a publisher or subscription, which another thread may destroy."""
        outlive(waitable)
        super().add_waitable(waitable)

    def destroy_node(self) -> None:
        """Release everything first, so that a composing process need not stop the worker."""
        self.release()
        super().destroy_node()
        # rclpy leaves this to the garbage collector; until then the services stay in the graph.
        if hasattr(self, '_state_machine'):
            self._state_machine.destroy_when_not_in_use()

    def _refuse(self, what: str, error: Exception) -> TransitionCallbackReturn:
        """Report why a transition failed: rclpy silently drops exceptions of a callback."""
        self._failure, details = str(error), ''
        if not isinstance(error, (BackendError, CoreError, NodeError)):
            self._failure = f'{type(error).__name__}: {error}'
            details = f'\n{traceback.format_exc()}'
        self.get_logger().error(f'cannot {what}: {self._failure}{details}')
        return TransitionCallbackReturn.FAILURE

    def _end_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _on_parameters(self, parameters: Sequence[Parameter]) -> SetParametersResult:
        """Apply a change at once, or refuse it with the reason."""
        try:
            settings = params.changed(self.settings, parameters)
            if self._estimator is not None:
                self._estimator = retuned(self._estimator, self.settings, settings)
        except (NodeError, CoreError) as error:
            return SetParametersResult(successful=False, reason=str(error))
        self.settings = settings
        if self._session is not None and self._estimator is not None:
            self._session.use(self._estimator, settings)
        return SetParametersResult(successful=True)

    def _diagnose(self) -> None:
        name, state = self.get_fully_qualified_name(), self._state_machine.current_state[1]
        session = self._session  # another thread of a composed process may end it
        if self._failure:
            status = diagnostics.failure(name, state, self._failure)
        elif session is None:
            status = diagnostics.status(name, state, self._about(), None, {})
        else:
            status = diagnostics.status(name, state, self._about(), *session.judge())
        self._diagnostics.publish(diagnostics.array(self.get_clock().now().to_msg(), status))

    def _about(self) -> dict[str, str]:
        """Return the running configuration for the log and diagnostics."""
        estimator = self._estimator
        if estimator is None:
            return {}
        backend = estimator.backend
        return {
            'model': estimator.contract.name,
            'model file': self._model_file,
            'backend': backend.name,
            'device': backend.device,
            'precision': backend.precision,
            'steps': str(estimator.steps),
            'samples': str(estimator.samples),
            'fov source': estimator.fov_source,
        }


def main(arguments: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; the exit status is 0 unless it could not start."""
    if is_asked_for((arguments or sys.argv)[1:]):
        tell()
        return 0
    keep_freed_memory()
    send_in_background()
    # rclpy's own handlers shut down the context while other code is running, which then fails at a
    # random point. Here the node is destroyed first, and the context is shut down last.
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        _init(arguments)
        return _run(stop)
    except NodeError as error:
        get_logger('dmd').fatal(str(error))
        return 1
    finally:
        rclpy.try_shutdown()
        # At exit Python restores the default handlers: a second signal would kill the process.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def _init(arguments: list[str] | None) -> None:
    """Initialise rclpy; raises `NodeError` if arguments or environment are unusable."""
    try:
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # from rcl: a rule, a file or a variable that it cannot read
        if 'initialize logging' in str(error) or 'for writing' in str(error):
            raise NodeError(
                f'rclpy cannot log: {error}; set ROS_LOG_DIR to a writable folder '
                '(default: log in ROS_HOME, or .ros/log in HOME)'
            ) from None
        raise NodeError(
            f'rclpy does not start with these arguments and ROS_ variables: {error}'
        ) from None
    # `ros2 run` passes on the separator --.
    rest = ' '.join(word for word in remove_ros_args(arguments)[1:] if word != '--')
    if rest:
        raise NodeError(
            f'{rest}: unknown argument; -p NAME:=VALUE, -r FROM:=TO and --params-file come after '
            '--ros-args'
        )


def _run(stop: Stop) -> int:
    node = DmdNode(cancelled=stop.is_set)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    # The main thread must stay free: Python handles signals only there.
    spinner = Spinner(executor, stop)
    try:
        if node.settings.build_only:
            return 0 if node.build() or stop.is_set() else 1
        spinner.start()
        if node.settings.autostart:
            # Not in the executor's thread, so that services respond while an engine is built.
            node.preload()
            if not spinner.call(node.start):
                return 0 if stop.is_set() else 1
        stop.wait()
        return 0
    finally:
        spinner.end()
        node.destroy_node()


if __name__ == '__main__':
    sys.exit(main())
