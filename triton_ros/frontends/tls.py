# Copyright 2026 triton_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""TLS of the servers from their options."""

from __future__ import annotations

import ssl

from triton_ros.core.errors import ConfigError
from triton_ros.frontends.options import FrontendOptions


def server_context(options: FrontendOptions) -> ssl.SSLContext | None:
    """What HTTP and metrics serve with; None for no TLS.

    Raises `ConfigError` for files that are no certificates or keys, or do not belong together.
    """
    if options.server_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.server_cert, options.server_key)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"server_cert '{options.server_cert}' with server_key '{options.server_key}': {error}"
        ) from error
    if options.root_cert is not None:
        try:
            context.load_verify_locations(options.root_cert)
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(f"root_cert '{options.root_cert}': {error}") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context
