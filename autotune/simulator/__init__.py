"""A discrete-event simulation of Triton's dynamic batcher and its instances: what a config sustains, without a server.

It decides which configs are worth a measurement; it never replaces one.

Modelled is Triton 2.51 (https://github.com/triton-inference-server/core, branch ``r24.10``) with its defaults: rate
limiter off, one batcher per model, no queue policy. What it does, and where:

- A payload (a batch to be) need not wait for a free instance: up to twice as many payloads as instances are queued
  ahead (``RateLimiter::PayloadSlotAvailable`` in ``src/rate_limiter.cc``; ``PriorityQueue::SupportPrefetching`` in
  ``src/scheduler_utils.h`` is true without a queue policy).
- The last payload grows until it is full or an instance takes it (``DynamicBatchScheduler::BatcherThread`` and
  ``GetDynamicBatch`` in ``src/dynamic_batch_scheduler.cc``). Without a delay it grows with every request; with one only
  when something wakes the batcher: the delay of the oldest request, a preferred size reached, an execution that
  starts or ends (``Enqueue``: ``next_preferred_batch_size_``).
- The delay counts from the oldest waiting request. A preferred size that is reached is sent at once; a request past
  its delay takes along whatever waits, up to ``max_batch_size``. Without preferred sizes ``max_batch_size`` is the
  one (``NormalizeModelConfig`` in ``src/model_config_utils.cc``). A payload that was sent at a preferred size and still
  queues takes one more helping of what waits, beyond that size.
- At the end of an execution the instance's thread (``TritonBackendThread::BackendThread`` in
  ``src/backend_model_instance.cc``) goes on to the next payload while the batcher's thread wakes up, which may grow
  that payload first: a race, drawn by lot here.
- An instance that takes a payload takes those behind it along where they are past the delay and fit
  (``InstanceQueue::Dequeue`` in ``src/instance_queue.cc``).
- Without the dynamic batcher every request is a payload of its own (``DynamicBatchScheduler::Enqueue``).

CPU time of server and client is one resource that requests take in turn before they reach the batcher, and that
executions take from them.

A closed loop has as many clients as outstanding requests, which begin one after the other. Each waits for its answer,
thinks for a fixed time, and sends its next request.

The steps of a pipeline and models that share a server run in one simulation (`Pipeline`), where those of one device
wait for it in turn.

Left out: the time that threads take to wake up (it is in the overhead), shared backend threads
(``DEVICE_BLOCKING``), requests of several items, caches, response order, sequences, several GPUs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
