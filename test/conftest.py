# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Its place puts this directory on the path, for `import toy_models`."""
