"""The simulation: a compiled data plane, a SimPy control plane, and the ledger that they fill.

Read ``spec.plan`` and ``records.layout`` first, then ``kernels.event_loop`` and
``kernels.shared.requests``. From there, ``kernels.own`` serves requests on own replicas and
``kernels.api`` at endpoints. ``state`` fills the records, ``run`` ties the data plane to the
controllers in ``control``, whose rules are in ``spec.policies``, ``state.chunking`` brings in the
next chunk of traffic, and ``checkpoint`` saves a simulation.
"""
