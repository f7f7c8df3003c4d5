/** Debian's Redis, RabbitMQ and NATS on loopback, each with its data in a folder that goes away with it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { say } from "../harness.ts";

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;

export interface Server {
  readonly name: string;
  readonly version: string;
  readonly address: { readonly port: number };
  /** The processes whose CPU is the broker's. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

/** @throws Error with the reason when it cannot be installed or started */
export async function startRedis(): Promise<Server> {
  install("redis-server", "/usr/bin/redis-server");
  const folder = temporaryFolder();
  const port = await freePort();
  const settings = {
    port: String(port),
    bind: "127.0.0.1",
    dir: folder,
    appendonly: "yes",
    appendfsync: "always",
    save: "",
    "auto-aof-rewrite-percentage": "0",
  };
  const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value]);
  const child = spawn("redis-server", args, { stdio: "ignore" });
  const version = versionOf("redis-server", ["--version"], /v=(\S+)/);
  return finish({ name: "redis", version, port, folder, children: [child] });
}

/** The file that Debian installs; its wrapper in PATH would change the user. */
const RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/** @throws Error with the reason when it cannot be installed or started */
export async function startRabbitmq(): Promise<Server> {
  install("rabbitmq-server", RABBITMQ);
  const folder = temporaryFolder();
  const [port, distPort, epmdPort] = [await freePort(), await freePort(), await freePort()];
  writeFileSync(join(folder, "plugins"), "[].\n");
  const names = { ...process.env, HOME: folder, ERL_EPMD_PORT: String(epmdPort), ERL_EPMD_ADDRESS: "127.0.0.1" };
  // Ours, in the foreground: the one that Erlang starts by itself would stay behind.
  const epmd = spawn("epmd", ["-port", String(epmdPort), "-address", "127.0.0.1"], { stdio: "ignore", env: names });
  const env = {
    ...names,
    RABBITMQ_NODENAME: `easynet-bench-${process.pid}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distPort),
    RABBITMQ_MNESIA_BASE: join(folder, "data"),
    RABBITMQ_LOG_BASE: join(folder, "log"),
    RABBITMQ_PID_FILE: join(folder, "pid"),
    RABBITMQ_CONFIG_FILE: join(folder, "none"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "plugins"),
  };
  const child = spawn(RABBITMQ, { stdio: "ignore", env });
  const version = versionOf("dpkg-query", ["-W", "-f=${Version}", "rabbitmq-server"], /^([\d.]+)/);
  return finish({ name: "rabbitmq", version, port, folder, children: [child, epmd] });
}

/** @throws Error with the reason when it cannot be installed or started */
export async function startNatsServer(): Promise<Server> {
  install("nats-server", "/usr/sbin/nats-server");
  const folder = temporaryFolder();
  const port = await freePort();
  const args = ["--addr", "127.0.0.1", "--port", String(port), "--jetstream", "--store_dir", folder];
  const child = spawn("nats-server", args, { stdio: "ignore" });
  const version = versionOf("nats-server", ["--version"], / v(\S+)/);
  return finish({ name: "nats", version, port, folder, children: [child] });
}

/** Installs a Debian package when it is missing and we may. */
function install(name: string, path: string): void {
  if (existsSync(path)) return;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) throw new Error(`${name} is not installed`);
  say(`installing ${name}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const { status } = spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", name], {
    env,
    stdio: "ignore",
  });
  if (status !== 0 || !existsSync(path)) throw new Error(`apt-get could not install ${name}`);
}

interface Started {
  readonly name: string;
  readonly version: string;
  readonly port: number;
  readonly folder: string;
  /** The broker first, then what it needs. */
  readonly children: readonly ChildProcess[];
}

async function finish({ name, version, port, folder, children }: Started): Promise<Server> {
  const stop = async (): Promise<void> => {
    for (const child of children) await end(child);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await listening(port, children);
  } catch (error) {
    await stop();
    throw new Error(`${name} did not start`, { cause: error });
  }
  return { name, version, address: { port }, pids: children.flatMap(({ pid }) => pid ?? []), stop };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await Promise.race([exited, sleep(STOP_TIMEOUT_MS, undefined, { ref: false })]);
  child.kill("SIGKILL");
}

async function listening(port: number, children: readonly ChildProcess[]): Promise<void> {
  const deadlineMs = Date.now() + START_TIMEOUT_MS;
  while (!(await accepts(port))) {
    if (Date.now() > deadlineMs) throw new Error("it does not listen");
    if (children.some(({ exitCode }) => exitCode !== null)) throw new Error("it ended");
    await sleep(100);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function versionOf(command: string, args: readonly string[], pattern: RegExp): string {
  return pattern.exec(spawnSync(command, args, { encoding: "utf8" }).stdout)?.[1] ?? "unknown";
}

function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "easynet-peer-"));
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const bound = probe.address();
      probe.close(() => resolve(typeof bound === "object" && bound ? bound.port : 0));
    });
  });
}
