# SPDX-FileCopyrightText: 2026 The dmd_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscriptions that adapt their QoS to the publishers, for images and camera_infos."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.exceptions import InvalidHandle
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from dmd_ros.ros.silence import why_silent

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

    # Its callbacks get only the message, so messages lost in transport cannot be counted.
    TELLS_NUMBER = False
else:
    TELLS_NUMBER = True

# With the default transport, small messages arrive in bursts when large ones delay them.
_INFO_QUEUE = 20

_RELIABLE, _BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


def _qos(reliability: ReliabilityPolicy, depth: int = 1, latched: bool = False) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=reliability,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def image_ladder(reliability: str) -> list[QoSProfile]:
    """Return the QoS to try for the image, for the parameter image_reliability.

    Reliable comes first, because the default transport loses large best-effort messages; best
    effort matches every publisher.
    """
    rungs = {'reliable': (_RELIABLE,), 'best_effort': (_BEST_EFFORT,)}
    return [_qos(rung) for rung in rungs.get(reliability, (_RELIABLE, _BEST_EFFORT))]


def info_ladder(latest: bool) -> list[QoSProfile]:
    """Return the QoS to try for the camera_info; a latched one must be requested explicitly.

    latest: keep only the newest: from a queue, a waiting image would be paired with the oldest,
    which a zoom may have outdated.
    """
    depth = 1 if latest else _INFO_QUEUE
    latched = [_qos(_RELIABLE, depth, latched=True)] if latest else []
    return [*latched, _qos(_RELIABLE, depth), _qos(_BEST_EFFORT, depth)]


def _is_latched(qos: QoSProfile) -> bool:
    return bool(qos.durability == DurabilityPolicy.TRANSIENT_LOCAL)


class LadderSubscription:
    """Subscribes with the first QoS of a ladder, and steps down when a publisher offers less.

    A transient-local subscription is kept next to the volatile one that follows it, so that a
    publisher that sends its message once is received even if another on the topic is volatile.
    topic: full name, remaps applied.

    callback(message) runs in the executor. on_lost(number) is called for messages that were
    published but never reached the callback (lost in transport, or overwritten while the executor
    was busy). They are counted from the first message received: earlier losses cannot be
    distinguished from messages sent before the subscription. The count uses the publisher's
    sequence numbers; Fast DDS has no reception numbers, and no message_lost event for messages
    overwritten in a history of depth one.
    Without on_lost the whole queue is taken at once: the executor takes one message per round, so
    if it were slower than the publisher it would permanently lag by the whole queue.
    """

    def __init__(
        self,
        node: Any,
        kind: type,
        topic: str,
        ladder: Sequence[QoSProfile],
        callback: Callable[[Any], None],
        on_lost: Callable[[int], None] | None = None,
    ) -> None:
        """Subscribe."""
        self._node = node
        self._kind = kind
        self._topic = topic
        self._ladder = list(ladder)
        self._callback = callback
        self._on_lost = on_lost
        self._is_latched = _is_latched(self._ladder[0])
        self._subscriptions: list[Any] = []
        # In a composed process another thread than the spinning one may close this.
        self._changing = threading.Lock()
        self.topic = topic
        with self._changing:
            self._subscribe()
            self.topic = str(self._subscriptions[0].topic_name)

    def why_silent(self, topic: str) -> str:
        """Explain why nothing has arrived on `topic`, this subscription's; also after `close`."""
        kind = f'{self._kind.__module__.partition(".")[0]}/msg/{self._kind.__name__}'
        return why_silent(self._node, topic, kind, latched=self._is_latched)

    def close(self) -> None:
        """Unsubscribe permanently."""
        with self._changing:
            self._ladder.clear()
            for subscription in self._subscriptions:
                self._node.destroy_subscription(subscription)

    def _subscribe(self) -> None:
        self._sequence: int | None = None
        self._alone = True
        rung = self._ladder[0]
        events = SubscriptionEventCallbacks(incompatible_qos=lambda _: self._step_down(rung))
        callback = self._receive if TELLS_NUMBER else self._callback
        if self._on_lost is None:
            callback = self._receive_all
        arguments = (self._kind, self._topic, callback, rung)
        try:
            subscription = self._node.create_subscription(*arguments, event_callbacks=events)
        except UnsupportedEventTypeError:
            # A middleware without this event (Zenoh) matches any QoS.
            subscription = self._node.create_subscription(*arguments)
        self._subscriptions.append(subscription)

    def _step_down(self, rung: QoSProfile) -> None:
        with self._changing:
            # Another rung: the event is from the latched subscription that was kept; ignore it.
            if self._ladder and rung is self._ladder[0]:
                self._leave(rung)

    def _leave(self, rung: QoSProfile) -> None:
        logger = self._node.get_logger()
        if len(self._ladder) == 1:
            logger.warning(
                f'a publisher of {self.topic} offers less than the requested QoS: nothing is '
                'received from it; set image_reliability to auto'
            )
            return
        del self._ladder[0]
        logger.info(
            f'a publisher of {self.topic} offers less than the requested QoS; resubscribing as '
            f'{self._ladder[0].reliability.name}, {self._ladder[0].durability.name}'
        )
        if not _is_latched(rung):
            self._node.destroy_subscription(self._subscriptions.pop())
        self._subscribe()

    def _receive(self, message: Any, info: Any) -> None:
        number = info.get('publication_sequence_number')
        if number is not None:  # not every middleware has it
            # Numbers are per publisher: with two, gaps mean nothing; nor does the first number
            # afterwards, which may still be from the publisher that has left.
            alone = self._node.count_publishers(self.topic) == 1
            gap = 0 if self._sequence is None else number - self._sequence - 1
            if alone and gap > 0:
                assert self._on_lost is not None
                self._on_lost(gap)
            self._sequence = number if alone and self._alone else None
            self._alone = alone
        self._callback(message)

    def _receive_all(self, message: Any) -> None:
        self._callback(message)
        handle = self._subscriptions[-1].handle
        with contextlib.suppress(InvalidHandle), handle:
            for _ in range(_INFO_QUEUE):  # bounded, however fast they arrive
                taken = handle.take_message(self._kind, False)
                if taken is None:
                    break
                self._callback(taken[0])
