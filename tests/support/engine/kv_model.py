"""A plain model of a replica's prefix cache, on a small prefix tree."""

from simulator.traffic.table import NO_NODE

# Parents and depths in tokens. Nodes 1 and 4 have no full block.
NODES = [(-1, 8), (0, 9), (1, 16), (0, 14), (-1, 3), (4, 12), (2, 21), (0, 20)]
SPANS = [(0, 2), (2, 2), (2, 4), (2, 3), (0, 0), (0, 3), (4, 5), (2, 5)]
"""First block of each node, and the first after it, in blocks of four tokens."""


def path(node: int) -> list[int]:
    """The nodes that have blocks, from one up to its root."""
    nodes = []
    while node != NO_NODE:
        nodes.append(node)
        node = NODES[node][0]
    return [n for n in nodes if SPANS[n][0] < SPANS[n][1]]


class CacheModel:
    """What a replica's cache should have: blocks by node, the sequences, and who is evicted next.

    Sequences are pairs of a node and the blocks that they cover. Only the last one may cover more
    of its path, since at most one running prompt is unfinished.
    """

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.resident: dict[int, int] = {}
        self.order: list[int] = []
        self.sequences: list[tuple[int, int]] = []
        self.unfinished = False
        self.private = 0

    def references(self, node: int) -> int:
        return sum(SPANS[node][0] < covered and node in path(n) for n, covered in self.sequences)

    @property
    def free(self) -> int:
        return self.blocks - self.private - sum(self.resident.values())

    @property
    def cached(self) -> int:
        return sum(self.resident[node] for node in self.order)

    def lookup(self, node: int) -> tuple[int, int]:
        found = [n for n in path(node) if n in self.resident]
        hit = SPANS[found[0]][0] + self.resident[found[0]] if found else 0
        return hit, sum(self.resident[n] for n in found if n in self.order)

    def take(self, blocks: int) -> None:
        """Evict what is missing; the blocks are private until they are given to nodes."""
        for _ in range(max(0, blocks - self.free)):
            self.resident[self.order[0]] -= 1
            if self.resident[self.order[0]] == 0:
                del self.resident[self.order.pop(0)]
        self.private += blocks

    def pin(self, node: int, cover: int) -> None:
        """Let the last sequence cover that many blocks of its path."""
        self.sequences[-1] = (node, cover)
        for n in path(node):
            begin, end = SPANS[n]
            if begin < cover:
                blocks = max(self.resident.get(n, 0), min(end, cover) - begin)
                self.private -= blocks - self.resident.get(n, 0)
                self.resident[n] = blocks
                self.order = [other for other in self.order if other != n]

    def release(self, node: int, covered: int) -> None:
        self.sequences.remove((node, covered))
        self.order += [n for n in path(node) if SPANS[n][0] < covered and not self.references(n)]
