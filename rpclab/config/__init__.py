"""Wrangler's configuration files: TOML or JSON with comments, with named environments.

Floor: config. They are read and understood here; the sandbox deploys what they say.
"""

from __future__ import annotations

from rpclab.config.document import Document
from rpclab.config.from_document import read_config
from rpclab.config.loading import find_configs, load_all, load_config, load_configs
from rpclab.config.worker_config import WorkerConfig

__all__ = [
    "Document", "WorkerConfig", "find_configs", "load_all", "load_config", "load_configs",
    "read_config",
]  # fmt: skip
