"""What happens: the compiled data plane, the SimPy control plane and the ledger.

Read ``plan`` and ``layout`` first, then ``loop``; from there ``replica``, ``sequences``, ``steps``
and ``kv`` for what is owned, ``gateway``, ``endpoint``, ``limits`` and ``promptcache`` for what is
bought. ``tables`` fills the records, ``run`` ties it all to ``control``.
"""
