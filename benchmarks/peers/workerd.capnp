using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [ (name = "client", worker = .client), (name = "api", worker = .api) ],
  sockets = [ (name = "http", address = "127.0.0.1:0", http = (), service = "client") ],
);

const client :Workerd.Worker = (
  modules = [ (name = "client", esModule = embed "workerd.client.mjs") ],
  bindings = [ (name = "API", service = "api") ],
  compatibilityDate = "2026-06-01",
);

const api :Workerd.Worker = (
  modules = [ (name = "api", esModule = embed "workerd.api.mjs") ],
  compatibilityDate = "2026-06-01",
);
