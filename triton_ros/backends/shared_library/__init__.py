# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Triton backends in C and C++: any ``libtriton_<name>.so``, in this process.

`native` is a host of Triton's backend API in C (built by `build`), which `host` makes callable;
`library_files` finds a backend's library, `backend` implements core's port with it, and `requests`
carries requests into an execution and responses out.
"""
