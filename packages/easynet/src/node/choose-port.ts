import { createServer } from "node:net";
import { EasynetError } from "../kernel/index.ts";
import type { LoadedConfig } from "./config.ts";

/**
 * The configured port. When nobody asked for that one and it is taken, any free port (0) will do: a second node on a
 * machine just works. @throws {EasynetError} PORT_IN_USE when somebody asked for it
 */
export async function choosePort(loaded: LoadedConfig, key: "listenPort" | "apiPort", host: string): Promise<number> {
  const port = loaded.value[key];
  if (port === 0 || (await isFree(host, port))) return port;
  if (loaded.origin[key] === "default") return 0;
  throw new EasynetError("PORT_IN_USE", { port, option: key === "listenPort" ? "--port" : "--api-port" });
}

async function isFree(host: string, port: number): Promise<boolean> {
  return (await portProblem(host, port)) === undefined;
}

/** Why no program could listen there now, as the system names it (`EADDRINUSE`, `EACCES`); undefined when one could. */
export function portProblem(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", (error) => resolve("code" in error ? String(error.code) : error.message));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
}
