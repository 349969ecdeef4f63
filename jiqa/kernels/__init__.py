"""Custom kernels: what a compiler does badly, in plain `jax.numpy` and once more a platform.

A kernel is a folder: its public function and derivatives in `__init__`, the truth in `reference`,
and a file for each form that is faster somewhere: `xla` (CPUs), `native` (C++, CPUs), `gpu` and
`tpu` (Pallas). `forms` chooses among them.
"""
