"""What happens: the compiled data plane, the SimPy control plane and the ledger.

Read ``layout`` first, then ``loop``, ``replica``, ``sequences``, ``steps``, ``kv`` and
``endpoint``; ``run`` ties them to ``control``.
"""
