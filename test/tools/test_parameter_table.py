# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""README says what the node does."""

from tools.parameter_table import README, with_table


def test_readme_has_the_parameters_of_the_node():
    text = README.read_text(encoding="utf-8")
    assert with_table(text) == text, "run: python -m tools.parameter_table"
