using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    # Workers dial this machine only where that is allowed.
    (name = "internet", network = (allow = ["private", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);

const main :Workerd.Worker = (
  modules = [
    (name = "worker", esModule = embed "worker.js"),
    (name = "capnweb", esModule = embed "node_modules/capnweb/dist/index-workers.js"),
  ],
  compatibilityDate = "2026-06-01",
  bindings = [
    (name = "NATIVE", service = (name = "main", entrypoint = "Native")),
    (name = "ROOM", durableObjectNamespace = "Room"),
  ],
  durableObjectNamespaces = [(className = "Room", uniqueKey = "room")],
  durableObjectStorage = (inMemory = void),
);
