"""The event loop: arrivals, the batchers' timers and the executions of one window, in order of time.

One model is one stage. The steps of a pipeline and models that share a server are several stages, each with a batcher
and instances of its own; those of one device wait for it in turn.

Requests stay in order of arrival at a stage, so every queue of a stage is a range of places in that order::

    finished or executing | payloads: ends[...] | the batcher's queue | not arrived
                          ^ served              ^ queued              ^ arrived

All in one file, as the compiled code kept on disk is renewed when this file changes, and in one function: numba counts
references to the arrays of every call, which took a third of the time.
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
def run_window(  # noqa: PLR0912, PLR0915 - one loop over events; a function per event would hand all of its state around
    unit_s: Floats,
    scale: float,
    concurrency: int,
    think_s: float,
    earliest_s: Floats,
    overhead_s: Floats,
    owners: NDArray[np.int64],
    follows: NDArray[np.bool_],
    devices: NDArray[np.int64],
    factors: Floats,
    batcher_first: NDArray[np.bool_],
    host_s: Floats,
    device_s: Floats,
    after_s: Floats,
    request_cpu_s: float,
    execution_cpu_s: Floats,
    contention: Floats,
    max_batch: NDArray[np.int64],
    dynamic: NDArray[np.bool_],
    delay_s: Floats,
    always_wakes: NDArray[np.bool_],
    instances: NDArray[np.int64],
    preferred: NDArray[np.bool_],
    shapes: NDArray[np.int64],
    limits_s: Floats,
    allowed: Floats,
    first_counted: int,
    over: Floats,
    order: NDArray[np.int64],
    missing: NDArray[np.int8] | None,
    ready_s: Floats,
    latency_s: Floats,
    queue_s: Floats,
    executions: NDArray[np.int64],
    busy_s: Floats,
) -> tuple[int, int, float]:
    """Runs one window, until every request is finished or too many were over a limit.

    Of n requests, S stages and B as the largest batch of any:

    Args:
        unit_s: When requests arrive, times ``scale``, ascending, shape (n,); filled in a closed loop.
        scale: See ``unit_s``; 1 in a closed loop.
        concurrency: Requests that a closed loop keeps outstanding; 0 in an open loop.
        think_s: Seconds from the end of a request to the arrival of its client's next request.
        earliest_s: In a closed loop, when each request may arrive at the earliest, ascending, shape (n,); empty
            without such limits.
        overhead_s: Latency of each request outside queue and execution, shape (n,).
        owners: The only stage that each request goes to, shape (n,); empty where each passes all stages.
        follows: Whether a stage (row) waits for another (column), shape (S, S).
        devices: The device of each stage, from 0 on, shape (S,).
        factors: By how much each execution's time is stretched, in order of a stage's executions, shape (S, n).
        batcher_first: Whether the batcher wakes up at the end of each execution before the instance has taken the
            next payload, in order of a stage's executions, shape (S, n).
        host_s: The host part of an execution by batch size, from 1 on, shape (S, B).
        device_s: The device part.
        after_s: How much of the host part follows the device part.
        request_cpu_s: Seconds for which a request keeps all cores busy before it reaches a batcher.
        execution_cpu_s: Seconds for which an execution does; it need not wait for them, but requests do. Shape (S,).
        contention: By what fraction the device part takes longer for each other instance of the device that is at
            work, shape (S,).
        max_batch: The largest batch, shape (S,), as all that follow.
        dynamic: Whether the dynamic batcher is on.
        delay_s: Its queue delay.
        always_wakes: Whether every arrival wakes the batcher.
        instances: Instances.
        preferred: Whether a batch of each size, 0 included, is a preferred one, shape (S, B + 1).
        shapes: A number for each of the requests that are sent in turn, shape (S, m) with m >= 1; those of different
            numbers are not batched together.
        limits_s: Latency limits to give up at, shape (L,).
        allowed: How many counted requests may be over each limit; where negative, the mean of the first
            ``-allowed`` ones must keep it. Shape (L,).
        first_counted: The first request whose latency counts.
        over: Of each limit, the counted requests over it are added here, or minus the sum of latencies in units of
            the limit.
        order: Filled with the requests in order of their arrival at each stage, shape (S, n).
        missing: Filled with the stages that each request must pass before it reaches one, shape (S, n); of models that
            share a server shape (S, 0). None of one stage: numba compiles that case separately, a third faster.
        ready_s: Filled with when each of them reached its batcher, shape (S, n).
        latency_s: Filled with each request's latency, shape (n,).
        queue_s: Filled with the time each request waited in batchers for its executions, shape (n,).
        executions: Executions of each batch size, 0 included, are added here, shape (S, B + 1).
        busy_s: The time that executions took is added here, waits for the device included, shape (S,).

    Returns:
        Finished requests, requests unfinished when the last one arrived, the time when the last execution ended.
    """
    requests, passes_all = len(unit_s), False
    if missing is None:
        stages = 1
    else:
        stages, passes_all = len(max_batch), len(owners) == 0
    largest = np.zeros(stages, np.int64)
    first_of = np.zeros(stages + 1, np.int64)  # instances are numbered through
    for stage in range(stages):
        for size in range(max_batch[stage] + 1):
            if preferred[stage, size]:
                largest[stage] = size
        first_of[stage + 1] = first_of[stage] + instances[stage]
    all_instances = first_of[stages]
    stage_of = np.empty(all_instances, np.int64)
    for stage in range(stages):
        stage_of[first_of[stage] : first_of[stage + 1]] = stage
    ends = np.empty((stages, 2 * instances.max()), np.int64)  # payloads in a ring: where each one's requests end
    heads, payloads_of = np.zeros(stages, np.int64), np.zeros(stages, np.int64)
    doing = np.zeros(all_instances, np.int8)
    due_s = np.empty(all_instances)
    due_s[:] = np.inf
    device_part_s = np.empty(all_instances)
    after_part_s = np.empty(all_instances)
    began_s = np.empty(all_instances)
    first = np.empty(all_instances, np.int64)
    last = np.empty(all_instances, np.int64)
    idle_of = instances.copy()
    at_work = np.zeros(devices.max() + 1, np.int64)  # of each device
    next_due_s, next_instance = np.inf, 0
    device_free_s = np.zeros(devices.max() + 1)
    cpu_free_s = 0.0
    timers_s = np.empty(stages)
    timers_s[:] = np.inf
    timer_s, timer_stage = np.inf, 0
    served_of, queued_of = np.zeros(stages, np.int64), np.zeros(stages, np.int64)
    arrived_of, executed_of = np.zeros(stages, np.int64), np.zeros(stages, np.int64)
    fillings, fillings_from = np.zeros(stages, np.int64), np.zeros(stages, np.int64)
    saturated_of, pending_of = np.zeros(stages, np.bool_), np.zeros(stages, np.int64)
    next_preferred_of = np.zeros(stages, np.int64)
    lacking = np.zeros(stages, np.int64)
    unpassed = np.zeros(requests if passes_all else 0, np.int64)
    if missing is not None and passes_all:
        unpassed[:] = stages
        for stage in range(stages):
            lacking[stage] = follows[stage].sum()
            missing[stage, :] = lacking[stage]
    # what is to be done after an event: a stage, and the request that reaches it; -1 for none
    calls = np.empty((2 + stages + stages * max_batch.max(), 2), np.int64)
    arrived, finished, backlog = 0, 0, requests
    now_s = 0.0
    known = requests  # of which it is known when they arrive
    if concurrency > 0:
        known = min(concurrency, requests)
        # clients begin one after the other, as those of a measured window do: over about what a lone request takes
        unit_s[:known] = np.arange(known) * ((host_s[0, 0] + device_s[0, 0]) / known)
        if len(earliest_s):
            unit_s[:known] = earliest_s[:known]
    current = -1  # the stage whose state is at hand
    kinds = shapes.shape[1]
    while finished < requests:
        arrival_s = max(unit_s[arrived] * scale, cpu_free_s) if arrived < known else np.inf
        ended = freed = wakes = False
        called = 1
        coming = calls[0, 1] = -1
        if arrival_s < next_due_s and arrival_s <= timer_s:
            now_s = arrival_s
            cpu_free_s = now_s + request_cpu_s
            coming = arrived
            if missing is not None and not passes_all:
                calls[0, 0], calls[0, 1] = owners[arrived], arrived
            elif missing is not None:
                called = 0
                for stage in range(stages):
                    if lacking[stage] == 0:
                        calls[called, 0], calls[called, 1] = stage, arrived
                        called += 1
            arrived += 1
            if arrived == requests:
                backlog = requests - finished
        elif next_due_s <= timer_s:
            now_s = next_due_s
            if missing is None:
                stage = 0
            else:
                stage = stage_of[next_instance]
                calls[0, 0] = stage
            if doing[next_instance] == _HOST:
                doing[next_instance] = _DEVICE
                device = devices[stage]
                due_s[next_instance] = now_s
                if device_part_s[next_instance] > 0:  # one that does not need the device does not wait for it
                    device_free_s[device] = max(now_s, device_free_s[device]) + device_part_s[next_instance]
                    due_s[next_instance] = device_free_s[device]
                called = 0
            elif doing[next_instance] == _DEVICE and after_part_s[next_instance] > 0:
                doing[next_instance] = _AFTER
                due_s[next_instance] = now_s + after_part_s[next_instance]
                called = 0
            else:
                doing[next_instance] = _IDLE
                due_s[next_instance] = np.inf
                busy_s[stage] += now_s - began_s[next_instance]
                ended = True
                at_work[devices[stage]] -= 1
                for place in range(first[next_instance], last[next_instance]):
                    request = place if missing is None else order[stage, place]
                    if missing is not None and passes_all:
                        for other in range(stages):
                            if follows[other, stage]:
                                missing[other, request] -= 1
                                if missing[other, request] == 0:
                                    calls[called, 0], calls[called, 1] = other, request
                                    called += 1
                        unpassed[request] -= 1
                        if unpassed[request] > 0:
                            continue
                    finished += 1
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
                        if len(earliest_s):
                            unit_s[known] = max(unit_s[known], earliest_s[known])
                        known += 1
                for limit in range(len(limits_s)):
                    if abs(over[limit]) > abs(allowed[limit]):
                        return finished, backlog, now_s
            next_due_s = np.inf
            for instance in range(all_instances):
                if due_s[instance] < next_due_s:
                    next_due_s, next_instance = due_s[instance], instance
        else:
            now_s = timer_s
            calls[0, 0] = timer_stage
            wakes = True
        for call in range(called):
            if missing is None:
                stage, request = 0, coming
            else:
                stage, request = calls[call, 0], calls[call, 1]
            if stage != current:  # once if there is one stage, whose state then stays in registers
                current = stage
                slots = 2 * instances[stage]
                idle, payloads = idle_of[stage], payloads_of[stage]
                head, served, queued, reached = heads[stage], served_of[stage], queued_of[stage], arrived_of[stage]
                filling, filling_from, saturated = fillings[stage], fillings_from[stage], saturated_of[stage]
                pending, next_preferred = pending_of[stage], next_preferred_of[stage]
                waits_s, own_timer_s, executed = delay_s[stage], timers_s[stage], executed_of[stage]
                batches, largest_batch, largest_preferred = dynamic[stage], max_batch[stage], largest[stage]
            if ended:
                ended = False
                idle += 1
                wakes = True
                freed = not batcher_first[stage, executed - 1]
            if request >= 0:
                if missing is not None:
                    order[stage, reached] = request
                ready_s[stage, reached] = now_s
                reached += 1
                if missing is not None and lacking[stage] == 0:
                    queue_s[request] = 0.0
                freed = False
                wakes = payloads < slots and (
                    always_wakes[stage] or saturated or filling == _TAKEN or reached - queued >= next_preferred
                )
            if not wakes and (batches or idle == 0):
                if missing is not None:
                    arrived_of[stage] = reached
                continue
            while True:
                # an instance that was busy mostly takes the next payload before the batcher has woken up
                while batches and wakes and not freed:
                    if saturated or filling == _TAKEN:
                        filling, saturated, next_preferred = _EMPTY, False, 0
                    own_timer_s = np.inf
                    if queued == reached or payloads >= slots:
                        break
                    filled = queued - filling_from if filling == _QUEUED else 0
                    deadline_s = ready_s[stage, queued] + waits_s
                    # what `GetDynamicBatch` decides: how many are sent, and whether the payload takes no more
                    past_delay = waits_s > 0 and now_s >= deadline_s
                    opener = queued - filled
                    best, full, sent = 0, False, True
                    while pending < reached - queued:
                        size = filled + pending + 1
                        if size > 1:
                            if size > largest_preferred and best == 0:
                                best, saturated = pending, True
                            full = size > largest_batch or (
                                kinds > 1
                                and shapes[stage, (opener + size - 1) % kinds] != shapes[stage, opener % kinds]
                            )
                            if full:
                                break
                        pending += 1
                        if preferred[stage, size]:
                            best = pending
                    if best > 0 and not past_delay:
                        pending, saturated = best, saturated or waits_s == 0
                    elif pending > 0 and (full or filled + pending >= largest_preferred):
                        saturated = True
                    elif pending > 0 and waits_s > 0 and not past_delay:
                        size = filled + pending + 1
                        while not preferred[stage, size]:
                            size += 1
                        next_preferred = size - filled
                        # a payload that queues anyway takes along what is there, unless its size is a preferred one
                        sent = filled > 0 and not saturated and not preferred[stage, filled]
                    if not sent:
                        own_timer_s = deadline_s
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
                    ends[stage, newest if newest < slots else newest - slots] = queued
                wakes = wakes and freed
                freed = False
                start = served
                if idle > 0 and payloads > 0:
                    while True:
                        served = ends[stage, head]
                        head = head + 1 if head + 1 < slots else 0
                        payloads -= 1
                        if payloads == 0 and filling == _QUEUED:
                            filling = _TAKEN
                        if payloads == 0 or largest_batch == 1 or waits_s == 0:
                            break
                        if now_s - ready_s[stage, served] <= waits_s:
                            break
                        if payloads == 1 and filling == _QUEUED:
                            filling = _TAKEN  # even where it does not fit
                        if ends[stage, head] - start > largest_batch:
                            break
                        if shapes[stage, served % shapes.shape[1]] != shapes[stage, start % shapes.shape[1]]:
                            break
                    wakes = True
                elif idle > 0 and not batches and reached > served:
                    served += 1
                    queued = served
                if served > start:
                    size = served - start
                    instance = first_of[stage]
                    while doing[instance] != _IDLE:
                        instance += 1
                    factor = factors[stage, executed]
                    doing[instance], first[instance], last[instance] = _HOST, start, served
                    due_s[instance] = now_s + (host_s[stage, size - 1] - after_s[stage, size - 1]) * factor
                    began_s[instance] = now_s
                    beside = at_work[devices[stage]]
                    device_part_s[instance] = device_s[stage, size - 1] * factor * (1 + contention[stage] * beside)
                    after_part_s[instance] = after_s[stage, size - 1] * factor
                    for place in range(start, served):
                        if missing is None:
                            queue_s[place] = now_s - ready_s[stage, place]
                        else:
                            queue_s[order[stage, place]] += now_s - ready_s[stage, place]
                    cpu_free_s = max(cpu_free_s, now_s) + execution_cpu_s[stage]
                    executions[stage, size] += 1
                    executed += 1
                    at_work[devices[stage]] += 1
                    idle -= 1
                    if due_s[instance] < next_due_s:
                        next_due_s, next_instance = due_s[instance], instance
                elif not wakes:
                    break
            timer_s = own_timer_s
            if missing is not None:
                executed_of[stage], arrived_of[stage] = executed, reached
                heads[stage], served_of[stage], queued_of[stage], idle_of[stage] = head, served, queued, idle
                payloads_of[stage], fillings[stage], fillings_from[stage] = payloads, filling, filling_from
                saturated_of[stage], pending_of[stage], next_preferred_of[stage] = saturated, pending, next_preferred
                timers_s[stage] = own_timer_s
                timer_s = np.inf
                for other in range(stages):
                    if timers_s[other] < timer_s:
                        timer_s, timer_stage = timers_s[other], other
    return finished, backlog, now_s
