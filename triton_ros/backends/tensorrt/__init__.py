# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""TensorRT, with the CUDA driver by pycuda.

`backend` is the port; `engine` is a plan and what it says of itself, `instance` executes it.  All
that CUDA does is behind `cuda_driver`, and all that makes or releases something on a device runs
on that device's thread (`device_owner`).  Only names of TensorRT's name-based API that exist from
8.5 to 11 are used without asking.
"""
