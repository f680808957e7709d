"""A plain simulation of one fleet, step by step and block by block, to hold the engine against.

One SimPy process per replica executes every step; KV blocks are single objects in an ordered
dictionary, identified by (prefix-tree node, index within the node). Slow on purpose: nothing here
is clever, so that it can be read against the description of the scheduler.
"""

import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field

import simpy

from simulator.engine.plan import Fleet
from simulator.traffic.table import NO_NODE, RequestTable


@dataclass
class Sequence:
    row: int
    prompt_tok: int
    """To prefill; after a preemption also what had been generated."""
    generated: int = 0
    computed_tok: int = 0
    keys: list = field(default_factory=list)
    """Keys of the shared blocks held, from the root down."""
    private_blocks: int = 0
    promised_blocks: int = 0
    cached_tok: int = 0
    chunk: int = 0

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


class ReferenceFleet:
    """Serves a table with sessions on a fixed fleet; results by row."""

    def __init__(self, fleet: Fleet, table: RequestTable, horizon_s: float) -> None:
        self.fleet = fleet
        self.table = table
        self.env = simpy.Environment()
        n = table.size
        self.arrival_s = [math.nan] * n
        self.start_s = [math.nan] * n
        self.first_token_s = [math.nan] * n
        self.finished_s = [math.nan] * n
        self.cached_tok = [0] * n
        self.preemptions = [0] * n
        self.replica_of = [-1] * n
        self.rejected = [False] * n
        self.rotation = 0
        self.max_model_tok = min(fleet.max_model_tok, fleet.kv.blocks * fleet.kv.block_tok)
        self.replicas = [Replica(self, r) for r in range(fleet.replicas)]
        self.env.process(self.arrivals())
        self.env.run(until=math.nextafter(horizon_s, math.inf))

    def arrivals(self):
        for row in range(self.table.size):
            if math.isnan(self.table.gap_s[row]):
                yield self.env.timeout(self.table.arrival_s[row] - self.env.now)
                self.arrive(row)

    def arrive(self, row: int) -> None:
        self.arrival_s[row] = self.env.now
        if self.table.input_tokens[row] >= self.max_model_tok:
            self.rejected[row] = True
            self.session_goes_on(row, self.env.now)
            return
        replica = self.choose(row)
        self.replica_of[row] = replica.index
        replica.submit(row)

    def choose(self, row: int) -> "Replica":
        count = len(self.replicas)
        order = [self.replicas[(self.rotation + k) % count] for k in range(count)]
        best = min(order, key=lambda replica: replica.in_flight)
        self.rotation = (best.index + 1) % count
        if not math.isnan(self.table.gap_s[row]) and self.replica_of[row - 1] >= 0:
            last = self.replicas[self.replica_of[row - 1]]
            if last.in_flight - best.in_flight <= self.fleet.sticky_slack:
                return last
        return best

    def output_tok(self, row: int) -> int:
        room = self.max_model_tok - int(self.table.input_tokens[row])
        return min(int(self.table.completion_tokens[row]), room)

    def session_goes_on(self, row: int, done_s: float) -> None:
        following = row + 1
        if following < self.table.size and not math.isnan(self.table.gap_s[following]):
            at_s = done_s + self.table.gap_s[following]
            self.env.process(self.turn(following, at_s))

    def turn(self, row: int, at_s: float):
        yield self.env.timeout(at_s - self.env.now)
        self.arrive(row)

    def block_keys(self, row: int) -> list:
        """Keys of the full blocks of a row's shared prefix, from the root down."""
        node = int(self.table.prefix_node[row])
        path = []
        while node != NO_NODE:
            path.append(node)
            node = int(self.table.tree.parent[node])
        size = self.fleet.kv.block_tok
        keys = []
        for node in reversed(path):
            parent = int(self.table.tree.parent[node])
            begin = int(self.table.tree.depth_tok[parent]) // size if parent != NO_NODE else 0
            end = int(self.table.tree.depth_tok[node]) // size
            keys += [(node, k) for k in range(end - begin)]
        return keys if self.fleet.prefix_cache else []


class Replica:
    def __init__(self, owner: ReferenceFleet, index: int) -> None:
        self.owner = owner
        self.index = index
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self.blocks = Blocks(owner.fleet.kv.blocks)
        self.promised_blocks = 0
        self.wake = owner.env.event()
        owner.env.process(self.serve())

    @property
    def in_flight(self) -> int:
        return len(self.waiting) + len(self.running)

    def submit(self, row: int) -> None:
        self.waiting.append(Sequence(row, int(self.owner.table.input_tokens[row])))
        if not self.wake.triggered:
            self.wake.succeed()

    def serve(self):
        env = self.owner.env
        while True:
            if not self.waiting and not self.running:
                self.wake = env.event()
                yield self.wake
            # Whatever arrives at this very instant is in the queue before the step is scheduled:
            # one turn of the event queue starts the process of a turn, the next lets it arrive.
            yield env.timeout(0)
            yield env.timeout(0)
            yield env.timeout(self.schedule())
            self.end_step()

    def need(self, sequence: Sequence, tokens: int) -> int:
        size = self.owner.fleet.kv.block_tok
        return max(0, -(-tokens // size) - sequence.blocks)

    def grow(self, sequence: Sequence, tokens: int) -> None:
        """Hold blocks for the first ``tokens`` tokens, shared ones as far as the prefix goes."""
        size = self.owner.fleet.kv.block_tok
        keys = self.owner.block_keys(sequence.row)
        for _ in range(self.need(sequence, tokens)):
            index = sequence.blocks
            full = tokens // size
            if sequence.private_blocks == 0 and index < min(full, len(keys)):
                self.blocks.take_shared(keys[index])
                sequence.keys.append(keys[index])
            else:
                self.blocks.take()
                sequence.private_blocks += 1
        # A block that was begun privately becomes shared once it is full.
        while sequence.private_blocks and len(sequence.keys) < min(tokens // size, len(keys)):
            key = keys[len(sequence.keys)]
            self.blocks.references[key] = 1
            sequence.keys.append(key)
            sequence.private_blocks -= 1

    def most_blocks(self, row: int) -> int:
        fleet, table = self.owner.fleet, self.owner.table
        room = min(fleet.max_model_tok, fleet.kv.blocks * fleet.kv.block_tok)
        tokens = min(int(table.input_tokens[row]) + int(table.max_output_tokens[row]), room)
        return -(-tokens // fleet.kv.block_tok)

    def release(self, sequence: Sequence) -> None:
        self.promised_blocks -= sequence.promised_blocks
        sequence.promised_blocks = 0
        self.blocks.unpin(reversed(sequence.keys))
        self.blocks.free += sequence.private_blocks
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
        self.waiting.appendleft(victim)
        self.owner.preemptions[victim.row] += 1
        return victim

    def schedule(self) -> float:
        fleet = self.owner.fleet
        budget = fleet.max_batched_tok
        preempted = False
        scheduled: list[Sequence] = []
        for sequence in list(self.running):
            if sequence not in self.running:
                break  # preempted; so is everything behind it
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
        while not preempted and self.waiting and budget > 0:
            if len(self.running) >= fleet.max_sequences or not self.admit(budget):
                break
            scheduled.append(self.running[-1])
            budget -= scheduled[-1].chunk
        return self.step_s(scheduled)

    def admit(self, budget: int) -> bool:
        sequence = self.waiting[0]
        size = self.owner.fleet.kv.block_tok
        hit = []
        for key in self.owner.block_keys(sequence.row):
            if not self.blocks.resident(key):
                break
            hit.append(key)
        cached = min(len(hit), (sequence.prompt_tok - 1) // size) * size
        chunk = min(sequence.prompt_tok - cached, budget)
        new = max(0, -(-(cached + chunk) // size) - len(hit))
        pinned_now = sum(key in self.blocks.evictable for key in hit)
        if new > self.blocks.supply - pinned_now:
            return False
        if self.owner.fleet.reserves_output:
            most = self.most_blocks(sequence.row) - len(hit)
            if self.promised_blocks + most > self.owner.fleet.kv.blocks:
                return False
            sequence.promised_blocks = most
            self.promised_blocks += most
        self.waiting.popleft()
        self.running.append(sequence)
        for key in hit:
            self.blocks.pin(key)
        sequence.keys = hit
        sequence.computed_tok = cached
        sequence.chunk = chunk
        if math.isnan(self.owner.start_s[sequence.row]):
            self.owner.start_s[sequence.row] = self.owner.env.now
            self.owner.cached_tok[sequence.row] = cached
        self.grow(sequence, cached + chunk)
        return True

    def step_s(self, scheduled: list[Sequence]) -> float:
        step = self.owner.fleet.step_time
        tokens = sum(sequence.chunk for sequence in scheduled)
        prompt_tok = sum(s.chunk for s in scheduled if s.prefilling)
        decoding = [s for s in scheduled if not s.prefilling]
        context = sum(s.computed_tok + 1 for s in decoding)
        area = sum(
            s.computed_tok + position + 1
            for s in scheduled
            if s.prefilling
            for position in range(s.chunk)
        )
        return (
            (step.mixed_s if prompt_tok else step.token_s)[tokens]
            + step.decoding_s[len(decoding)]
            + step.prefill_token_s * prompt_tok
            + step.context_token_s * context
            + step.attention_s * area
        )

    def end_step(self) -> None:
        fleet = self.owner.fleet
        now = self.owner.env.now
        for sequence in list(self.running):
            sequence.computed_tok += sequence.chunk
            sequence.chunk = 0
            if sequence.prefilling:
                continue
            row = sequence.row
            prompt_tok = int(self.owner.table.input_tokens[row])
            overhead = fleet.request_overhead_s + fleet.request_token_s * prompt_tok
            sequence.generated += 1
            if math.isnan(self.owner.first_token_s[row]):
                self.owner.first_token_s[row] = now + overhead
            if sequence.generated >= self.owner.output_tok(row):
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
            self.keep_output(sequence, self.owner.block_keys(following))
        self.release(sequence)
        self.owner.finished_s[row] = time_s
        self.owner.session_goes_on(row, time_s)

    def keep_output(self, sequence: Sequence, keys: list) -> None:
        size = self.owner.fleet.kv.block_tok
        begin = len(sequence.keys)
        keep = keys[begin : sequence.computed_tok // size]
        if keep and not self.blocks.resident(keep[0]):
            sequence.private_blocks -= len(keep)
            self.blocks.evictable.update((key, None) for key in reversed(keep))
