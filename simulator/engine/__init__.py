"""What happens: the compiled data plane, the SimPy control plane and the ledger.

Read ``plan`` and ``layout`` first, then ``loop`` and ``rows``; from there ``replica``,
``sequences``, ``steps``, ``kv``, ``queues``, ``deferred`` and ``loss`` for what is owned,
``gateway``, ``endpoint``, ``limits`` and ``promptcache`` for what is bought. ``tables`` fills the
records. ``run`` ties the plane to the ``calendar`` of the controllers in ``control``,
``fleetcontrol`` and ``rebalance``, whose rules are in ``policies``; ``renewal`` brings the next
chunk of traffic, ``checkpoint`` writes all down.
"""
