"""What scripts and notebooks call: scenarios in, results that show, save and tabulate themselves.

* ``calls``: the functions of ``simulator`` itself.
* ``results``: what they return.
* ``sweep``: many variations of one scenario, in any number of processes, resumable.
* ``workers``: processes, or a Dask cluster, behind one interface.
"""
