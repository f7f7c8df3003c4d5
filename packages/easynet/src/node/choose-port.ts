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

/** True when a program could listen there now. */
export function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
