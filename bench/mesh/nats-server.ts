import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfSigned } from "./certificate.ts";

export interface NatsServer {
  readonly address: { readonly port: number; readonly ca: string };
  readonly version: string;
  stop(): void;
}

/** Starts Debian's nats-server with TLS 1.3 on loopback. @throws Error with the reason when there is none */
export async function startNats(): Promise<NatsServer> {
  const version = spawnSync("nats-server", ["--version"], { encoding: "utf8" });
  if (version.status !== 0) throw new Error("nats-server is not installed");
  const folder = mkdtempSync(join(tmpdir(), "easynet-nats-"));
  const { key, cert } = selfSigned();
  const path = (name: string): string => join(folder, name);
  writeFileSync(path("key.pem"), key, { mode: 0o600 });
  writeFileSync(path("cert.pem"), cert);
  const port = await freePort();
  const tls = `tls { cert_file: "${path("cert.pem")}", key_file: "${path("key.pem")}", timeout: 5 }`;
  writeFileSync(path("nats.conf"), `listen: "127.0.0.1:${port}"\nmax_pending: 256MB\n${tls}\n`);
  const child = spawn("nats-server", ["-c", path("nats.conf")], { stdio: ["ignore", "ignore", "pipe"] });
  const stop = (): void => {
    child.kill("SIGTERM");
    rmSync(folder, { recursive: true, force: true });
  };
  let log = "";
  await new Promise<void>((resolve, reject) => {
    child.stderr.on("data", (text) => {
      log = (log + String(text)).slice(-4000);
      if (log.includes("Server is ready")) resolve();
    });
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`nats-server ended: ${log.slice(-300)}`)));
  });
  return { address: { port, ca: cert }, version: version.stdout.trim().replace(/^nats-server: /, ""), stop };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const bound = probe.address();
      probe.close(() => resolve(typeof bound === "object" && bound ? bound.port : 0));
    });
  });
}
