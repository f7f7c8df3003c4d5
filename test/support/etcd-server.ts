import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One or several etcd processes of Debian's etcd-server, on loopback, with their data in a folder that is removed. */
export interface EtcdServers extends AsyncDisposable {
  readonly endpoints: readonly string[];
}

export function hasEtcd(): boolean {
  return spawnSync("etcd", ["--version"]).status === 0;
}

/** The version line, for printing beside figures. */
export function etcdVersion(): string {
  return spawnSync("etcd", ["--version"]).stdout.toString().split("\n", 1)[0] ?? "";
}

export async function startEtcd(count: number): Promise<EtcdServers> {
  const folder = mkdtempSync(join(tmpdir(), "easynet-etcd-"));
  const members = await Promise.all(
    Array.from({ length: count }, async (_, index) => ({
      name: `e${index}`,
      client: `http://127.0.0.1:${await freePort()}`,
      peer: `http://127.0.0.1:${await freePort()}`,
    })),
  );
  const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join(",");
  const children = members.map(({ name, client, peer }) =>
    spawn(
      "etcd",
      [
        ["--name", name, "--data-dir", join(folder, name), "--initial-cluster", cluster],
        ["--listen-client-urls", client, "--advertise-client-urls", client],
        ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
        ["--log-level", "error"],
      ].flat(),
      { stdio: "ignore" },
    ),
  );
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(end));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await Promise.all(members.map(async ({ client }) => answers(client)));
  } catch (error) {
    await stop();
    throw error;
  }
  return { endpoints: members.map(({ client }) => client), [Symbol.asyncDispose]: stop };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

/** Waits until the member has a leader. */
async function answers(url: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const body = JSON.stringify({ key: "YQ==" });
    const response = await fetch(`${url}/v3/kv/range`, { method: "POST", body }).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`etcd at ${url} did not answer within 20 s`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address ? address.port : 0;
}
