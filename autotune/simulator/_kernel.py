"""The event loop: arrivals, the batcher's timer and the executions of one window, in order of time.

Requests stay in order of arrival all the way, so every queue is a range of request numbers::

    finished or executing | payloads: ends[...] | the batcher's queue | not arrived
                          ^ served              ^ queued              ^ arrived

All in one file and two functions: the compiled code kept on disk is renewed when this file changes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from autotune.simulator._compiled import compiled

# States of the payload that the batcher fills.
_EMPTY, _QUEUED, _TAKEN = 0, 1, 2
# What an instance does.
_IDLE, _HOST, _DEVICE, _AFTER = 0, 1, 2, 3

Floats = NDArray[np.float64]


@compiled
def examine_queue(
    filled: int,
    pending: int,
    waiting: int,
    past_delay: bool,
    delays: bool,
    saturated: bool,
    next_preferred: int,
    max_batch: int,
    largest_preferred: int,
    preferred: NDArray[np.bool_],
    shapes: NDArray[np.int64],
    first: int,
) -> tuple[int, bool, bool, int]:
    """What ``GetDynamicBatch`` decides about a payload that holds ``filled`` requests.

    ``pending`` requests were looked at before, ``waiting`` are there. ``first`` is the first request of the payload.

    Returns:
        How many requests are pending now, whether they are sent, whether the payload is saturated (takes no more),
        how many requests must wait for the batcher to wake up.
    """
    best = 0
    full = False
    while pending < waiting:
        if filled + pending > 0:
            if filled + pending + 1 > largest_preferred and best == 0:
                best = pending
                saturated = True
            if filled + pending + 1 > max_batch:
                full = True
                break
            if shapes[(first + filled + pending) % len(shapes)] != shapes[first % len(shapes)]:
                full = True
                break
        pending += 1
        if preferred[filled + pending]:
            best = pending
    if best != 0 and not past_delay:
        return best, True, saturated or not delays, next_preferred
    if pending == 0:
        return 0, True, saturated, next_preferred
    if full or filled + pending >= largest_preferred:
        return pending, True, True, next_preferred
    if past_delay or not delays:
        return pending, True, saturated, next_preferred
    size = filled + pending + 1
    while not preferred[size]:
        size += 1
    # a payload that queues anyway takes along what is there, unless its size is a preferred one
    return pending, not saturated and filled != 0 and not preferred[filled], saturated, size - filled


@compiled
def run_window(  # noqa: PLR0912, PLR0915 - one loop over events; a function per event would hand all of its state around
    unit_s: Floats,
    scale: float,
    concurrency: int,
    think_s: float,
    overhead_s: Floats,
    factors: Floats,
    batcher_first: NDArray[np.bool_],
    host_s: Floats,
    device_s: Floats,
    after_s: Floats,
    request_cpu_s: float,
    execution_cpu_s: float,
    contention: float,
    max_batch: int,
    dynamic: bool,
    delay_s: float,
    always_wakes: bool,
    instances: int,
    preferred: NDArray[np.bool_],
    shapes: NDArray[np.int64],
    limits_s: Floats,
    allowed: Floats,
    first_counted: int,
    over: Floats,
    ready_s: Floats,
    latency_s: Floats,
    queue_s: Floats,
    executions: NDArray[np.int64],
) -> tuple[int, int, float]:
    """Runs one window, until every request is finished or too many were over a limit.

    Args:
        unit_s: When requests arrive, times ``scale``, ascending, shape (n,); filled in a closed loop.
        scale: See ``unit_s``; 1 in a closed loop.
        concurrency: Requests that a closed loop keeps outstanding; 0 in an open loop.
        think_s: Seconds from the end of a request's execution to the arrival of its client's next request.
        overhead_s: Latency of each request outside queue and execution, shape (n,).
        factors: By how much each execution's time is stretched, in order of execution, shape (n,).
        batcher_first: Whether the batcher wakes up at the end of each execution before the instance has taken the
            next payload, in order of execution, shape (n,).
        host_s: The host part of an execution by batch size, from 1 on.
        device_s: The device part.
        after_s: How much of the host part follows the device part.
        request_cpu_s: Seconds for which a request keeps all cores busy before it reaches the batcher.
        execution_cpu_s: Seconds for which an execution does; it need not wait for them, but requests do.
        contention: By what fraction the device part takes longer for each other instance that is at work.
        max_batch: The largest batch.
        dynamic: Whether the dynamic batcher is on.
        delay_s: Its queue delay.
        always_wakes: Whether every arrival wakes the batcher.
        instances: Instances.
        preferred: Whether a batch of each size, 0 included, is a preferred one.
        shapes: A number for each of the requests that are sent in turn, shape (m,) with m >= 1; those of different
            numbers are not batched together.
        limits_s: Latency limits to give up at.
        allowed: How many counted requests may be over each limit; where negative, the mean of the first
            ``-allowed`` ones must keep it.
        first_counted: The first request whose latency counts.
        over: Of each limit, the counted requests over it are added here, or minus the sum of latencies in units of
            the limit.
        ready_s: Filled with when each request reached the batcher, shape (n,).
        latency_s: Filled with each request's latency, shape (n,).
        queue_s: Filled with the time each request waited in the batcher for its execution, shape (n,).
        executions: Executions of each batch size, 0 included, are added here.

    Returns:
        Finished requests, requests unfinished when the last one arrived, the time when the last execution ended.
    """
    requests = len(unit_s)
    largest_preferred = 0
    for size in range(max_batch + 1):
        if preferred[size]:
            largest_preferred = size
    slots = 2 * instances
    ends = np.empty(slots, np.int64)  # payloads in a ring: where each one's requests end
    head, payloads = 0, 0
    doing = np.zeros(instances, np.int8)
    due_s = np.empty(instances)
    due_s[:] = np.inf
    device_part_s = np.empty(instances)
    after_part_s = np.empty(instances)
    first = np.empty(instances, np.int64)
    last = np.empty(instances, np.int64)
    idle = instances
    next_due_s, next_instance = np.inf, 0
    device_free_s = cpu_free_s = 0.0
    timer_s = np.inf
    served, queued, arrived, finished, executed, backlog = 0, 0, 0, 0, 0, requests
    filling, filling_from, saturated, pending, next_preferred = _EMPTY, 0, False, 0, 0
    now_s = 0.0
    known = requests  # of which it is known when they arrive
    if concurrency > 0:
        known = min(concurrency, requests)
        unit_s[:known] = 0.0
    while finished < requests:
        arrival_s = max(unit_s[arrived] * scale, cpu_free_s) if arrived < known else np.inf
        freed = False
        if next_due_s <= arrival_s and next_due_s <= timer_s:
            now_s = next_due_s
            if doing[next_instance] == _HOST:
                doing[next_instance] = _DEVICE
                device_free_s = max(now_s, device_free_s) + device_part_s[next_instance]
                due_s[next_instance] = device_free_s
                wakes = False
            elif doing[next_instance] == _DEVICE and after_part_s[next_instance] > 0:
                doing[next_instance] = _AFTER
                due_s[next_instance] = now_s + after_part_s[next_instance]
                wakes = False
            else:
                doing[next_instance] = _IDLE
                due_s[next_instance] = np.inf
                idle += 1
                finished += last[next_instance] - first[next_instance]
                for request in range(first[next_instance], last[next_instance]):
                    latency = now_s - unit_s[request] * scale + overhead_s[request]
                    latency_s[request] = latency
                    if request >= first_counted:
                        for limit in range(len(limits_s)):
                            if allowed[limit] < 0:
                                over[limit] -= latency / limits_s[limit]
                            elif latency > limits_s[limit]:
                                over[limit] += 1
                    if known < requests:
                        unit_s[known] = now_s + think_s
                        known += 1
                for limit in range(len(limits_s)):
                    if abs(over[limit]) > abs(allowed[limit]):
                        return finished, backlog, now_s
                wakes = True
                freed = not batcher_first[executed - 1]
            next_due_s = np.inf
            for instance in range(instances):
                if due_s[instance] < next_due_s:
                    next_due_s, next_instance = due_s[instance], instance
        elif arrival_s <= timer_s:
            now_s = ready_s[arrived] = arrival_s
            cpu_free_s = now_s + request_cpu_s
            arrived += 1
            if arrived == requests:
                backlog = requests - finished
            wakes = payloads < slots and (
                always_wakes or saturated or filling == _TAKEN or arrived - queued >= next_preferred
            )
        else:
            now_s = timer_s
            wakes = True
        if not wakes and (dynamic or idle == 0):
            continue
        while True:
            # an instance that was busy mostly takes the next payload before the batcher has woken up
            while dynamic and wakes and not freed:
                if saturated or filling == _TAKEN:
                    filling, saturated, next_preferred = _EMPTY, False, 0
                timer_s = np.inf
                if queued == arrived or payloads >= slots:
                    break
                filled = queued - filling_from if filling == _QUEUED else 0
                deadline_s = ready_s[queued] + delay_s
                pending, sent, saturated, next_preferred = examine_queue(
                    filled,
                    pending,
                    arrived - queued,
                    delay_s > 0 and now_s >= deadline_s,
                    delay_s > 0,
                    saturated,
                    next_preferred,
                    max_batch,
                    largest_preferred,
                    preferred,
                    shapes,
                    queued - filled,
                )
                if not sent:
                    timer_s = deadline_s
                    break
                if pending == 0 and saturated:
                    continue
                if pending == 0:  # another shape, which waits until the payload is taken
                    break
                if filling == _EMPTY:
                    filling, filling_from = _QUEUED, queued
                    payloads += 1
                queued += pending
                pending = 0
                newest = head + payloads - 1
                ends[newest if newest < slots else newest - slots] = queued
            wakes = wakes and freed
            freed = False
            start = served
            if idle > 0 and payloads > 0:
                while True:
                    served = ends[head]
                    head = head + 1 if head + 1 < slots else 0
                    payloads -= 1
                    if payloads == 0 and filling == _QUEUED:
                        filling = _TAKEN
                    if payloads == 0 or max_batch == 1 or delay_s == 0 or now_s - ready_s[served] <= delay_s:
                        break
                    if payloads == 1 and filling == _QUEUED:
                        filling = _TAKEN  # even where it does not fit
                    if ends[head] - start > max_batch:
                        break
                    if shapes[served % len(shapes)] != shapes[start % len(shapes)]:
                        break
                wakes = True
            elif idle > 0 and not dynamic and arrived > served:
                served += 1
                queued = served
            if served > start:
                size = served - start
                instance = 0
                while doing[instance] != _IDLE:
                    instance += 1
                factor = factors[executed]
                doing[instance], first[instance], last[instance] = _HOST, start, served
                due_s[instance] = now_s + (host_s[size - 1] - after_s[size - 1]) * factor
                device_part_s[instance] = device_s[size - 1] * factor * (1 + contention * (instances - idle))
                after_part_s[instance] = after_s[size - 1] * factor
                for request in range(start, served):
                    queue_s[request] = now_s - ready_s[request]
                cpu_free_s = max(cpu_free_s, now_s) + execution_cpu_s
                executions[size] += 1
                executed += 1
                idle -= 1
                if due_s[instance] < next_due_s:
                    next_due_s, next_instance = due_s[instance], instance
            elif not wakes:
                break
    return finished, backlog, now_s
