"""Accelerators: peak rates, memory, links and power; units in field names."""

from dataclasses import dataclass

from simulator.errors import InputError

# Tensor-core paths of each weight precision, the first that a chip has; all have 16 bit, in which
# weight-only formats compute. MXFP4 weights meet 8-bit activations.
_COMPUTE_FORMATS = {
    "fp16": (),
    "bf16": (),
    "fp8": ("fp8",),
    "int8": ("int8", "fp8"),
    "int4": (),
    "mxfp4": ("mxfp8",),
    "nvfp4": ("fp4",),
}


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One accelerator; peaks are dense, without sparsity."""

    name: str
    generation: str
    peak_tflops: dict[str, float]
    """By compute format: bf16, fp8, int8, fp4."""
    memory_gb: float
    """Usable, in 1e9 bytes, as the driver reports it."""
    memory_tb_s: float
    link: str
    """Kind of link between the accelerators of one replica; see ``links``."""
    node_gpus: int
    """Accelerators that the link joins."""
    tdp_w: float
    source: str

    @property
    def memory_bytes_s(self) -> float:
        """Memory bandwidth [B/s]."""
        return self.memory_tb_s * 1e12

    def peak_flops(self, precision: str) -> float:
        """Peak dense rate for weights of a precision [FLOP/s].

        Formats that the chip has no units for compute in 16 bit, which every chip has.
        """
        if precision not in _COMPUTE_FORMATS:
            known = ", ".join(sorted(_COMPUTE_FORMATS))
            raise InputError(f"unknown weight precision {precision!r}; known: {known}")
        # Chips with 4-bit units multiply MXFP4 by MXFP8 at their 8-bit rate.
        has = self.peak_tflops | ({"mxfp8": self.peak_tflops["fp8"]} if self._has_fp4 else {})
        found = next((has[name] for name in _COMPUTE_FORMATS[precision] if name in has), None)
        return (self.peak_tflops["bf16"] if found is None else found) * 1e12

    @property
    def _has_fp4(self) -> bool:
        return "fp4" in self.peak_tflops
