"""A plain simulation of fleets, step by step and block by block, to test the engine against.

One SimPy process per replica executes every step. Shared KV blocks are entries of dictionaries,
identified by (prefix-tree node, index within the node). It is slow on purpose: nothing here is
clever, so that it can be compared with the description of the scheduler.
"""

import itertools
import math
from collections import OrderedDict
from dataclasses import dataclass, field

import simpy

from simulator.engine.records import layout
from simulator.engine.spec.plan import Fleet, Plan
from simulator.traffic.table import NO_NODE, RequestTable


@dataclass
class Sequence:
    """One stay of a request at a replica, in its queue or running."""

    row: int
    prompt_tok: int
    """Tokens to prefill; after a preemption they include those generated before it."""
    generated: int = 0
    computed_tok: int = 0
    keys: list = field(default_factory=list)
    """Keys of the shared blocks that it holds, from the root down."""
    private_blocks: int = 0
    promised_blocks: int = 0
    window_blocks: int = 0
    admitted_now: bool = False
    queued_s: float = 0.0
    cached_tok: int = 0
    chunk: int = 0
    transferred: bool = False
    order: tuple[int, int] = (0, 0)

    @property
    def blocks(self) -> int:
        return len(self.keys) + self.private_blocks

    @property
    def prefilling(self) -> bool:
        return self.computed_tok < self.prompt_tok


class Blocks:
    """KV blocks of one replica: private ones are only counted, shared ones have a key."""

    def __init__(self, total: int) -> None:
        self.free = total
        self.references: dict = {}
        self.evictable: OrderedDict = OrderedDict()

    @property
    def supply(self) -> int:
        return self.free + len(self.evictable)

    def resident(self, key) -> bool:
        return key in self.references or key in self.evictable

    def pin(self, key) -> None:
        if key in self.evictable:
            del self.evictable[key]
            self.references[key] = 0
        self.references[key] += 1

    def take(self) -> None:
        if self.free == 0:
            self.evictable.popitem(last=False)
            self.free += 1
        self.free -= 1

    def take_shared(self, key) -> None:
        self.take()
        self.references[key] = 1

    def unpin(self, keys_deepest_first) -> None:
        for key in keys_deepest_first:
            self.references[key] -= 1
            if self.references[key] == 0:
                del self.references[key]
                self.evictable[key] = None


class Reference:
    """Serves a table with sessions on the fixed fleets of a plan; results are lists by row."""

    def __init__(self, plan: Plan, table: RequestTable, horizon_s: float) -> None:
        self.plan = plan
        self.table = table
        self.env = simpy.Environment()
        n = table.size
        self.arrival_s = [math.nan] * n
        self.start_s = [math.nan] * n
        self.first_token_s = [math.nan] * n
        self.finished_s = [math.nan] * n
        self.cached_tok = [0] * n
        self.streamed_tok = [0] * n
        self.preemptions = [0] * n
        self.first_replica: list[Replica | None] = [None] * n
        self.current_replica: list[Replica | None] = [None] * n
        self.outcome = [layout.ABSENT] * n
        self.rotation = 0
        self.joined = 0
        fleets = [fleet for fleet in plan.fleets for _ in range(fleet.replicas)]
        self.replicas = [Replica(self, index, fleet) for index, fleet in enumerate(fleets)]
        self.env.process(self.arrivals())
        self.env.run(until=math.nextafter(horizon_s, math.inf))

    def arrivals(self):
        for row in range(self.table.size):
            if math.isnan(self.table.gap_s[row]):
                yield self.env.timeout(self.table.arrival_s[row] - self.env.now)
                self.arrive(row)

    def turn(self, row: int, at_s: float):
        yield self.env.timeout(at_s - self.env.now)
        self.arrive(row)

    def arrive(self, row: int) -> None:
        self.arrival_s[row] = self.env.now
        self.outcome[row] = layout.IN_FLIGHT
        takers = [r for r in self.replicas if self.takes(r, row) and r.has_room]
        chosen = self.bound(row, self.least_loaded(takers)) if takers else None
        if chosen is None:
            self.close(row, layout.REJECTED, self.env.now)
            return
        self.first_replica[row] = chosen
        chosen.submit(Sequence(row, int(self.table.input_tokens[row])))
        if math.isfinite(self.table.patience_s[row]):
            self.env.process(self.patience(row))

    def patience(self, row: int):
        yield self.env.timeout(self.arrival_s[row] + self.table.patience_s[row] - self.env.now)
        if self.outcome[row] != layout.IN_FLIGHT:
            return
        self.close(row, layout.TIMED_OUT, self.env.now)
        replica = self.current_replica[row]
        if replica is not None:
            replica.abandon(row)

    def close(self, row: int, outcome: int, time_s: float) -> None:
        until_s = self.arrival_s[row] + self.table.patience_s[row]
        if outcome == layout.COMPLETED and time_s >= until_s:
            outcome, time_s = layout.TIMED_OUT, until_s
        self.outcome[row] = outcome
        self.finished_s[row] = time_s
        following = row + 1
        if following < self.table.size and not math.isnan(self.table.gap_s[following]):
            self.env.process(self.turn(following, time_s + self.table.gap_s[following]))

    def takes(self, replica: "Replica", row: int) -> bool:
        serves = replica.fleet.serves
        served = serves is None or self.table.workload[row] in serves
        return served and self.table.input_tokens[row] < replica.max_model_tok

    def least_loaded(self, takers: list["Replica"]) -> "Replica":
        count = len(self.replicas)
        order = sorted(takers, key=lambda replica: (replica.index - self.rotation) % count)
        best = min(order, key=lambda replica: replica.in_flight / replica.fleet.weight)
        self.rotation = (best.index + 1) % count
        return best

    def bound(self, row: int, best: "Replica") -> "Replica":
        """Return the session's replica, or that with the longest prefix, if it is not too busy."""
        most = best.in_flight + best.fleet.affinity_slack
        chosen = best
        if best.fleet.affinity == "session" and not math.isnan(self.table.gap_s[row]):
            last = self.first_replica[row - 1]
            if last is not None and last.in_flight <= most and self.takes(last, row):
                chosen = last
        if best.fleet.affinity == "prefix":
            peers = [r for r in self.replicas if r.fleet is best.fleet]
            start = peers.index(best)
            free = [r for r in peers[start:] + peers[:start] if r.in_flight <= most]
            longest = max(free, key=lambda replica: len(replica.resident(row)))
            chosen = longest if longest.resident(row) else best
        return chosen if chosen.has_room else best

    def transfer(self, sequence: Sequence, fleet: Fleet):
        row = sequence.row
        self.current_replica[row] = None
        prompt_tok = int(self.table.input_tokens[row])
        yield self.env.timeout(fleet.transfer_s + fleet.transfer_token_s * prompt_tok)
        if self.outcome[row] == layout.IN_FLIGHT:
            decoders = self.plan.fleets[fleet.decode_fleet]
            replica = self.least_loaded([r for r in self.replicas if r.fleet is decoders])
            replica.submit(Sequence(row, prompt_tok, transferred=True))


class Replica:
    """One replica, which executes its steps one by one."""

    def __init__(self, owner: Reference, index: int, fleet: Fleet) -> None:
        self.owner = owner
        self.index = index
        self.fleet = fleet
        holders = [fleet]
        if fleet.decode_fleet is not None:
            holders.append(owner.plan.fleets[fleet.decode_fleet])
        self.max_model_tok = min(min(f.max_model_tok, f.kv.longest_tok) for f in holders)
        self.waiting: list[Sequence] = []
        self.running: list[Sequence] = []
        self.blocks = Blocks(fleet.kv.blocks)
        self.promised_blocks = 0
        self.began_s = -math.inf
        """Time at which the previous step began."""
        self.wake = owner.env.event()
        owner.env.process(self.serve())

    @property
    def in_flight(self) -> int:
        return len(self.waiting) + len(self.running)

    @property
    def has_room(self) -> bool:
        most = self.fleet.max_waiting
        return most is None or self.in_flight < self.fleet.max_sequences + most

    def output_tok(self, row: int) -> int:
        room = self.max_model_tok - int(self.owner.table.input_tokens[row])
        return min(int(self.owner.table.completion_tokens[row]), room)

    def block_keys(self, row: int) -> list:
        """Return the keys of the full blocks of a row's shared prefix, from the root down."""
        table = self.owner.table
        node = int(table.prefix_node[row])
        path = []
        while node != NO_NODE:
            path.append(node)
            node = int(table.tree.parent[node])
        size = self.fleet.kv.block_tok
        keys = []
        for node in reversed(path):
            parent = int(table.tree.parent[node])
            begin = int(table.tree.depth_tok[parent]) // size if parent != NO_NODE else 0
            end = int(table.tree.depth_tok[node]) // size
            keys += [(node, k) for k in range(end - begin)]
        return keys if self.fleet.prefix_cache else []

    def resident(self, row: int) -> list:
        return list(itertools.takewhile(self.blocks.resident, self.block_keys(row)))

    def submit(self, sequence: Sequence) -> None:
        table, row = self.owner.table, sequence.row
        rank = 0
        if self.fleet.order == "shortest":
            rank = int(table.max_output_tokens[row])
        elif self.fleet.order == "priority":
            rank = self.owner.plan.priorities[table.workload[row]]
        self.owner.joined += 1
        sequence.queued_s = self.owner.env.now
        sequence.order = (rank, self.owner.joined)
        self.owner.current_replica[row] = self
        self.enqueue(sequence)
        if not self.wake.triggered:
            self.wake.succeed()

    def enqueue(self, sequence: Sequence) -> None:
        self.waiting.append(sequence)
        self.waiting.sort(key=lambda s: s.order)

    def abandon(self, row: int) -> None:
        for sequence in self.waiting:
            if sequence.row == row:
                self.waiting.remove(sequence)
                self.owner.streamed_tok[row] = sequence.generated
                return

    def drop_abandoned(self) -> None:
        for sequence in list(self.running):
            if self.owner.outcome[sequence.row] == layout.TIMED_OUT:
                self.running.remove(sequence)
                self.release(sequence)
                self.owner.streamed_tok[sequence.row] = sequence.generated

    def serve(self):
        env = self.owner.env
        while True:
            if not self.waiting and not self.running:
                self.wake = env.event()
                yield self.wake
            # A request that arrives at this instant is in the queue before the step is scheduled:
            # the first pass of the event queue starts the process of a turn, the second lets it
            # arrive.
            yield env.timeout(0)
            yield env.timeout(0)
            self.drop_abandoned()
            if self.waiting or self.running:
                yield env.timeout(self.schedule())
                self.end_step()
                self.drop_abandoned()

    def need(self, sequence: Sequence, tokens: int) -> int:
        size = self.fleet.kv.block_tok
        return max(0, -(-tokens // size) - sequence.blocks)

    def grow(self, sequence: Sequence, tokens: int) -> None:
        """Take blocks for the first ``tokens`` tokens, shared ones as far as the prefix goes."""
        size = self.fleet.kv.block_tok
        keys = self.block_keys(sequence.row)
        for _ in range(self.need(sequence, tokens)):
            index = sequence.blocks
            full = tokens // size
            if sequence.private_blocks == 0 and index < min(full, len(keys)):
                self.blocks.take_shared(keys[index])
                sequence.keys.append(keys[index])
            else:
                self.blocks.take()
                sequence.private_blocks += 1
        # A block of the prefix that was begun as a private one becomes shared once it is full.
        while sequence.private_blocks and len(sequence.keys) < min(tokens // size, len(keys)):
            key = keys[len(sequence.keys)]
            self.blocks.references[key] = 1
            sequence.keys.append(key)
            sequence.private_blocks -= 1

    def most_blocks(self, row: int) -> int:
        fleet, table = self.fleet, self.owner.table
        tokens = int(table.input_tokens[row]) + int(table.max_output_tokens[row])
        tokens = min(tokens, self.max_model_tok)
        return -(-tokens // fleet.kv.block_tok) + self.window_blocks(tokens)

    def window_blocks(self, tokens: int) -> int:
        kv = self.fleet.kv
        return math.ceil(min(tokens, kv.window_tok) * kv.window_share / kv.block_tok)

    def release(self, sequence: Sequence) -> None:
        self.promised_blocks -= sequence.promised_blocks
        sequence.promised_blocks = 0
        self.blocks.unpin(reversed(sequence.keys))
        self.blocks.free += sequence.private_blocks + sequence.window_blocks
        sequence.window_blocks = 0
        sequence.keys = []
        sequence.private_blocks = 0

    def preempt_last(self) -> Sequence:
        victim = self.running.pop()
        self.release(victim)
        victim.prompt_tok = max(
            victim.prompt_tok,
            int(self.owner.table.input_tokens[victim.row]) + victim.generated,
        )
        victim.computed_tok = 0
        victim.transferred = False
        if self.fleet.order == "first-come":
            self.owner.joined += 1
            victim.order = (-1, -self.owner.joined)
        self.enqueue(victim)
        self.owner.preemptions[victim.row] += 1
        return victim

    def schedule(self) -> float:
        fleet = self.fleet
        budget = fleet.max_batched_tok
        preempted = False
        scheduled: list[Sequence] = []
        for sequence in list(self.running):
            if sequence not in self.running:
                break  # preempted, and so are all sequences after it
            chunk = min(sequence.prompt_tok - sequence.computed_tok, budget)
            if not sequence.prefilling:
                chunk = 1
            while self.need(sequence, sequence.computed_tok + chunk) > self.blocks.supply:
                preempted = True
                if self.preempt_last() is sequence:
                    break
            if sequence not in self.running:
                break
            sequence.chunk = chunk
            self.grow(sequence, sequence.computed_tok + chunk)
            budget -= chunk
            scheduled.append(sequence)
        idle = not scheduled
        while not preempted and self.waiting and budget > 0:
            queued_too_late = self.waiting[0].queued_s > self.began_s
            if fleet.schedules_ahead and not idle and queued_too_late:
                break
            if len(self.running) >= fleet.max_sequences or not self.admit(budget):
                break
            scheduled.append(self.running[-1])
            budget -= scheduled[-1].chunk
        self.began_s = self.owner.env.now
        return self.step_s(scheduled)

    def admit(self, budget: int) -> bool:
        sequence = self.waiting[0]
        size = self.fleet.kv.block_tok
        hit = self.resident(sequence.row)
        cached = min(len(hit), (sequence.prompt_tok - 1) // size) * size
        computed_tok = sequence.prompt_tok - 1 if sequence.transferred else cached
        chunk = min(sequence.prompt_tok - computed_tok, budget)
        if not self.fleet.chunked_prefill and chunk < sequence.prompt_tok - computed_tok:
            return False
        new = max(0, -(-(computed_tok + chunk) // size) - len(hit))
        pinned_now = sum(key in self.blocks.evictable for key in hit)
        window_blocks = self.window_blocks(
            int(self.owner.table.input_tokens[sequence.row]) + self.output_tok(sequence.row)
        )
        if new + window_blocks > self.blocks.supply - pinned_now:
            return False
        if self.fleet.reserves_output:
            most = self.most_blocks(sequence.row) - len(hit)
            if self.promised_blocks + most > self.fleet.kv.blocks:
                return False
            sequence.promised_blocks = most
            self.promised_blocks += most
        self.waiting.pop(0)
        self.running.append(sequence)
        for key in hit:
            self.blocks.pin(key)
        sequence.keys = hit
        for _ in range(window_blocks):
            self.blocks.take()
        sequence.window_blocks = window_blocks
        sequence.admitted_now = True
        sequence.computed_tok = computed_tok
        sequence.chunk = chunk
        if math.isnan(self.owner.start_s[sequence.row]):
            self.owner.start_s[sequence.row] = self.owner.env.now
            self.owner.cached_tok[sequence.row] = cached
        self.grow(sequence, computed_tok + chunk)
        return True

    def step_s(self, scheduled: list[Sequence]) -> float:
        step = self.fleet.step_time
        tokens = sum(sequence.chunk for sequence in scheduled)
        prompt_tok = sum(s.chunk for s in scheduled if s.prefilling)
        decoding = [s for s in scheduled if not s.prefilling]
        context = sum(s.computed_tok + 1 for s in decoding)
        windows = sum(min(s.computed_tok + 1, step.window_tok) for s in decoding)
        seen = [
            s.computed_tok + position + 1
            for s in scheduled
            if s.prefilling
            for position in range(s.chunk)
        ]
        admitted = sum(s.admitted_now for s in scheduled)
        for s in scheduled:
            s.admitted_now = False
        return (
            (step.mixed_s if prompt_tok else step.token_s)[tokens]
            + step.decoding_s[len(decoding)]
            + step.prefill_token_s * prompt_tok
            + step.admission_s * admitted
            + step.context_token_s * context
            + step.window_token_s * windows
            + step.attention_s * sum(seen)
            + step.window_attention_s * sum(min(tok, step.window_tok) for tok in seen)
        )

    def end_step(self) -> None:
        fleet, owner = self.fleet, self.owner
        now = owner.env.now
        for sequence in list(self.running):
            sequence.computed_tok += sequence.chunk
            sequence.chunk = 0
            if sequence.prefilling:
                continue
            row = sequence.row
            abandoned = owner.outcome[row] == layout.TIMED_OUT
            if fleet.decode_fleet is not None:
                if not abandoned:
                    self.running.remove(sequence)
                    self.release(sequence)
                    owner.env.process(owner.transfer(sequence, fleet))
                continue
            prompt_tok = int(owner.table.input_tokens[row])
            overhead = fleet.request_overhead_s + fleet.request_token_s * prompt_tok
            sequence.generated += 1
            if abandoned:
                continue
            if math.isnan(owner.first_token_s[row]):
                owner.first_token_s[row] = now + overhead
            if sequence.generated >= self.output_tok(row):
                self.running.remove(sequence)
                self.finish(sequence, now + overhead)

    def finish(self, sequence: Sequence, time_s: float) -> None:
        table = self.owner.table
        row = sequence.row
        following = row + 1
        if (
            following < table.size
            and not math.isnan(table.gap_s[following])
            and table.reasoning_tokens[row] == 0
            and table.prefix_node[row] != NO_NODE
            and table.prefix_node[following] != NO_NODE
            and table.tree.parent[table.prefix_node[following]] == table.prefix_node[row]
            and table.tree.depth_tok[table.prefix_node[row]] == table.input_tokens[row]
        ):
            self.keep_output(sequence, self.block_keys(following))
        self.release(sequence)
        self.owner.streamed_tok[row] = self.output_tok(row)
        self.owner.close(row, layout.COMPLETED, time_s)

    def keep_output(self, sequence: Sequence, keys: list) -> None:
        size = self.fleet.kv.block_tok
        begin = len(sequence.keys)
        keep = keys[begin : sequence.computed_tok // size]
        if keep and not self.blocks.resident(keep[0]):
            sequence.private_blocks -= len(keep)
            self.blocks.evictable.update((key, None) for key in reversed(keep))
