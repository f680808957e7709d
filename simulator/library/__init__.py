"""The Python interface for scripts and notebooks: functions of scenarios, and their results.

* ``calls``: the functions that ``simulator`` exports.
* ``results``: the results that they return, with tables, files and HTML.
* ``sweep``: many variations of one scenario, in any number of processes, resumable.
* ``workers``, ``cluster``: executors of threads, processes, or the workers of a Dask cluster.
"""
