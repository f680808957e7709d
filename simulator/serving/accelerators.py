"""Accelerators: peak rates, memory, links and power; units in field names."""

from dataclasses import dataclass

from simulator.errors import InputError

# Tensor-core path of each weight precision: weight-only formats compute in 16 bit.
_COMPUTE_FORMAT = {
    "fp16": "bf16",
    "bf16": "bf16",
    "fp8": "fp8",
    "int8": "fp8",
    "int4": "bf16",
    "mxfp4": "bf16",
    "nvfp4": "fp4",
}


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One accelerator; peaks are dense, without sparsity."""

    name: str
    peak_tflops: dict[str, float]
    """By compute format: bf16, fp8, fp4."""
    memory_gb: float
    memory_tb_s: float
    link_gb_s: float
    """Scale-up link, per direction."""
    tdp_w: float
    source: str

    @property
    def memory_bytes_s(self) -> float:
        """Memory bandwidth [B/s]."""
        return self.memory_tb_s * 1e12

    @property
    def link_bytes_s(self) -> float:
        """Link bandwidth per direction [B/s]."""
        return self.link_gb_s * 1e9

    def peak_flops(self, precision: str) -> float:
        """Peak dense rate for weights of a precision [FLOP/s].

        Formats that the chip has no units for compute in 16 bit, which every chip has.
        """
        if precision not in _COMPUTE_FORMAT:
            known = ", ".join(sorted(_COMPUTE_FORMAT))
            raise InputError(f"unknown weight precision {precision!r}; known: {known}")
        wanted = _COMPUTE_FORMAT[precision]
        return self.peak_tflops.get(wanted, self.peak_tflops["bf16"]) * 1e12
