"""The keys that Wrangler knows: what becomes of each of them here.

Floor: config. Three ways: what a Worker's code depends on and rpclab does not have is refused, for
the code would find nothing there; what concerns the platform alone has no effect and is named in a
warning; what asks for nothing (`$schema`) is passed over.
"""

from __future__ import annotations

INHERITED = frozenset({"name", "main", "compatibility_date", "compatibility_flags", "migrations",
                       "rpclab"})  # fmt: skip
"""Supported keys that a named environment takes over from the top of the file."""

NOT_INHERITED = frozenset({"vars", "secrets", "services", "d1_databases", "durable_objects",
                           "kv_namespaces"})  # fmt: skip
"""Supported keys that a named environment has to say for itself."""

TOP_ONLY = frozenset({"env", "$schema"})
"""Supported keys that stand at the top of the file alone."""

_DEPLOYING = "is about deploying to Cloudflare, and has no effect here; it can stay"
_BUNDLING = (
    "has no effect, for nothing is bundled here: a Worker imports the modules that stand beside its"
    " main file, and reads its other files with Path(__file__).with_name(…)"
)
_FILES = (
    "has no effect: no files are served here; a Worker reads its own with"
    " Path(__file__).with_name(…)"
)
_LOGS = "has no effect: what Workers print is shown here, and sandbox.trace() shows their messages"
_INCOMING = "has no effect: nothing arrives here from outside; call the Worker through a binding"

WITHOUT_EFFECT = {
    **dict.fromkeys(
        (
            "access", "account_id", "cache", "compliance_region", "first_party_worker", "keep_vars",
            "preview_urls", "previews", "send_metrics", "upload_source_maps", "workers_dev",
        ),
        _DEPLOYING,
    ),
    **dict.fromkeys(
        (
            "alias", "base_dir", "build", "dependencies_instrumentation", "find_additional_modules",
            "jsx_factory", "jsx_fragment", "keep_names", "minify", "no_bundle",
            "preserve_file_names", "python_modules", "rules", "tsconfig",
        ),
        _BUNDLING,
    ),
    **dict.fromkeys(("assets", "pages_build_output_dir", "site"), _FILES),
    **dict.fromkeys(
        ("logfwdr", "logpush", "observability", "streaming_tail_consumers", "tail_consumers"), _LOGS
    ),
    **dict.fromkeys(("addresses", "connect", "route", "routes"), _INCOMING),
    "dev": "is for `wrangler dev`, and has no effect here: Sandbox has options of its own",
    "exports": "has no effect: durable_objects.bindings is all that a Durable Object needs here",
    "limits": "has no effect: computing time is not measured here; rpclab.deadline bounds a wait",
    "placement": (
        "has no effect: a call goes where its Worker is, as RPC does there, too; a process of its"
        ' own is [rpclab] placement = "process"'
    ),
    "triggers": "has no effect: nothing runs on a schedule here; call the method yourself",
}  # fmt: skip
"""Keys about the platform, and what to say of them."""

_READ_FILES = "read the file in the Worker, with Path(__file__).with_name(…)"

REFUSED = {
    **dict.fromkeys(
        (
            "agent_memory", "ai", "ai_search", "ai_search_namespaces", "analytics",
            "analytics_engine_datasets", "artifacts", "browser", "cloudchamber", "containers",
            "dispatch_namespaces", "flagship", "hyperdrive", "images", "k2", "media",
            "mtls_certificates", "pipelines", "queues", "r2_buckets", "ratelimits",
            "secrets_store_secrets", "send_email", "stream", "unsafe", "unsafe_hello_world",
            "vectorize", "version_metadata", "vpc_networks", "vpc_services", "worker_loaders",
            "workflows",
        ),
        "",
    ),
    "define": "say it in vars, and read it from env",
    **dict.fromkeys(("data_blobs", "text_blobs", "wasm_modules"), _READ_FILES),
}  # fmt: skip
"""Keys that a Worker's code depends on and rpclab does not have, and what to use, if anything."""

STAND_IN = (
    "leave it out, or give the Worker a service of the same name that leads to a Worker which"
    " stands in for it"
)
"""The advice where there is no nearer one."""

SINGLE = frozenset(
    {"addresses", "alias", "data_blobs", "dependencies_instrumentation", "dev", "keep_vars",
     "pages_build_output_dir", "send_metrics", "site", "text_blobs", "wasm_modules"}
)  # fmt: skip
"""Keys without support here that stand at the top of the file alone, as the supported TOP_ONLY."""

IN_ENVIRONMENT = (
    INHERITED | NOT_INHERITED | (frozenset(WITHOUT_EFFECT) | frozenset(REFUSED)) - SINGLE
)
"""All that a named environment may say."""

AT_TOP = IN_ENVIRONMENT | TOP_ONLY | SINGLE
"""All that may stand at the top of a file."""

BINDINGS_NOT_INHERITED = NOT_INHERITED - {"secrets"}
"""What a named environment is warned of when the top of the file says it and it does not."""
