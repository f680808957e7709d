"""Accelerators: peak rates, memory, links and power; units in field names."""

from dataclasses import dataclass

from simulator.errors import InputError

# Compute formats for each weight precision; a chip uses the first one that it supports. All chips
# support 16 bit, in which weight-only formats compute. MXFP4 weights are multiplied by 8-bit
# activations.
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
    """One accelerator. Peak rates are dense, without sparsity."""

    name: str
    generation: str
    peak_tflops: dict[str, float]
    """Peak rate by compute format: bf16, fp8, int8, fp4 [1e12 FLOP/s]."""
    memory_gb: float
    """Usable memory as the driver reports it [1e9 B]."""
    memory_tb_s: float
    """Memory bandwidth [1e12 B/s]."""
    link: str
    """Kind of link between the accelerators of one replica; see ``links``."""
    node_gpus: int
    """Number of accelerators that the link connects."""
    tdp_w: float
    """Thermal design power [W]."""
    source: str

    @property
    def memory_bytes_s(self) -> float:
        """Memory bandwidth [B/s]."""
        return self.memory_tb_s * 1e12

    def peak_flops(self, precision: str) -> float:
        """Return the peak dense rate for weights of a precision [FLOP/s].

        Formats for which the chip has no units are computed in 16 bit, which every chip supports.
        """
        if precision not in _COMPUTE_FORMATS:
            known = ", ".join(sorted(_COMPUTE_FORMATS))
            raise InputError(f"unknown weight precision {precision!r}; known: {known}")
        # Chips with 4-bit units multiply MXFP4 by MXFP8 at their 8-bit rate.
        peaks = self.peak_tflops | ({"mxfp8": self.peak_tflops["fp8"]} if self._has_fp4 else {})
        peak = next((peaks[name] for name in _COMPUTE_FORMATS[precision] if name in peaks), None)
        return (self.peak_tflops["bf16"] if peak is None else peak) * 1e12

    @property
    def _has_fp4(self) -> bool:
        return "fp4" in self.peak_tflops
