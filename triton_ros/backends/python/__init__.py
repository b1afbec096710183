# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Triton's Python backend: a ``model.py`` runs unchanged, in a process of its own or in this one.

Both sides import `pb_utils` (what a model sees), `model_module` (how it is driven), `channel`,
`listener` and `shared_tensors` (how the sides talk); these and `worker` need only Python 3.9 and
numpy, because a model may bring an interpreter of its own.  The host's side is `backend` (the
port), `worker_process` (a process and its life), `worker_instance` (requests in and out) and
`in_process`.
"""
