"""Parallel work: processes and threads of this machine, and workers of a Dask cluster."""
