# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arrays in, arrays out: images, preprocessing, detection heads, drawing (numpy and cv2)."""
