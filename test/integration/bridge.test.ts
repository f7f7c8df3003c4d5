/** The bridge of the settings: two nodes of one network, and NATS JetStream as a server that comes and goes. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { functionAgent } from "../../packages/easynet/src/agents/index.ts";
import type { ServedNode } from "../../packages/easynet/src/gateway/index.ts";
import type { AgentHandle } from "../../packages/easynet/src/node/index.ts";
import { TestNetwork, until } from "../support/network.ts";
import { QUIET, runCommand, withImport } from "./up-process.ts";

const INSTALLED = existsSync("/usr/sbin/nats-server");
const TIMEOUT = { timeout: 30_000, interval: 50 };

/** JetStream on a port that stays the same over restarts, with its data. */
class Nats {
  readonly #folder = mkdtempSync(join(tmpdir(), "easynet-nats-"));
  readonly port: number;
  #child: ChildProcess | undefined;

  private constructor(port: number) {
    this.port = port;
  }

  static async create(): Promise<Nats> {
    const probe = createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    const address = probe.address();
    probe.close();
    await once(probe, "close");
    if (address === null || typeof address === "string") throw new Error("no port");
    return new Nats(address.port);
  }

  async start(): Promise<void> {
    const args = ["--addr", "127.0.0.1", "--port", String(this.port), "--jetstream", "--store_dir", this.#folder];
    this.#child = spawn("nats-server", args, { stdio: "ignore" });
    await vi.waitFor(async () => (await connect({ servers: this.address, reconnect: false })).close(), TIMEOUT);
  }

  /** As a crash would. */
  async stop(): Promise<void> {
    if (!this.#child || this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async publish(subject: string, payload: unknown, msgID?: string): Promise<void> {
    const connection = await connect({ servers: this.address });
    await jetstream(connection).publish(subject, JSON.stringify(payload), msgID === undefined ? {} : { msgID });
    await connection.close();
  }

  /** What the stream holds, as JSON. */
  async contents(stream: string): Promise<readonly unknown[]> {
    const connection = await connect({ servers: this.address });
    try {
      const { state } = await (await jetstreamManager(connection)).streams.info(stream);
      const { streams } = await jetstreamManager(connection);
      const numbers = Array.from({ length: state.messages }, (_, index) => state.first_seq + index);
      return await Promise.all(
        numbers.map(async (seq) => (await streams.getMessage(stream, { seq }))?.json<unknown>()),
      );
    } catch {
      return [];
    } finally {
      await connection.close();
    }
  }
}

async function member(served: ServedNode, name: string, topics: readonly string[]): Promise<Member> {
  const got: unknown[] = [];
  const agent = functionAgent({ name });
  for (const kind of ["deployed", "nats-message"]) agent.registerHandler(kind, ({ payload }) => void got.push(payload));
  const handle = await served.node.addAgent(agent);
  for (const topic of topics) await handle.joinTopic(topic);
  return { handle, got };
}

interface Member {
  readonly handle: AgentHandle;
  readonly got: unknown[];
}

describe.skipIf(!INSTALLED)("a bridge of the settings (needs Debian's nats-server)", () => {
  test("mirrors topics both ways for the whole network; while NATS is away its messages wait on disk", async () => {
    await using nats = await Nats.create();
    await using network = new TestNetwork();
    // By the file, as a person would: NATS is not there yet when the node starts.
    const settings = { servers: [nats.address], toNats: ["deploys", "both"], fromNats: ["orders", "both"] };
    const home = await network.prepareHome("amber");
    writeFileSync(join(home, "config.json"), JSON.stringify({ bridges: { nats: settings } }));
    const amber = await network.start("amber");
    const birch = await network.start("birch", { bootstrap: amber.node.status().addresses });
    const near = await member(amber, "near", ["orders"]);
    const far = await member(birch, "far", ["orders", "both"]);
    await until("they know each other", () => birch.node.status().counts.nodes === 2);
    const publish = (topic: string, payload: unknown): Promise<unknown> =>
      far.handle.publish(topic, { kind: "deployed", payload, wait: "acknowledged" });
    await until("birch knows who mirrors", () => birch.node.peers().length === 1);
    await vi.waitFor(
      async () => expect(await publish("deploys", 0)).toMatchObject({ delivered: [amber.node.did] }),
      TIMEOUT,
    );
    await until("it waits", () => (amber.node.status().bridges[0]?.waiting ?? 0) > 0);
    expect(amber.node.status().bridges[0]).toMatchObject({ kind: "nats", linked: false });
    await vi.waitFor(async () => expect(await findings(amber)).toContain("bridge-away"), TIMEOUT);

    await nats.start();
    await until("the bridge is open", () => amber.node.status().bridges[0]?.linked === true, 60_000);
    await vi.waitFor(async () => expect((await nats.contents("easynet"))[0]).toBe(0), TIMEOUT);
    expect(await findings(amber)).toContain("bridge-linked");
    // Both members get it, once each, also when it is published twice under one id.
    await nats.publish("easynet.orders", { order: 1 }, "order-1");
    await nats.publish("easynet.orders", { order: 1 }, "order-1");
    await nats.publish("easynet.both", { order: 2 });
    await until("the orders came", () => near.got.length === 1 && far.got.length === 2, 30_000);
    expect(near.got).toEqual([{ order: 1 }]);
    expect(far.got).toEqual(expect.arrayContaining([{ order: 1 }, { order: 2 }]));

    await nats.stop();
    await until("the bridge noticed", () => amber.node.status().bridges[0]?.linked === false, 30_000);
    for (let step = 1; step <= 20; step++) await publish("deploys", step);
    await until("they wait", () => amber.node.status().bridges[0]?.waiting === 20);
    await nats.start();
    await until("nothing waits", () => amber.node.status().bridges[0]?.waiting === 0, 60_000);
    await nats.publish("easynet.orders", { order: 3 });
    await until("it takes again what comes", () => near.got.length === 2, 30_000);
    const kept = (await nats.contents("easynet")).filter((payload) => typeof payload === "number");
    expect(kept.toSorted((one, other) => one - other)).toEqual([...Array(21).keys()]);
    // What came over the bridge did not go back: three orders were published, three are there.
    expect(await nats.contents("easynet")).toHaveLength(21 + 3);
  }, 180_000);

  test("what waits for NATS survives a restart of the node", async () => {
    await using nats = await Nats.create();
    await using network = new TestNetwork();
    const bridges = { nats: { servers: nats.address, stream: "plans", toNats: ["deploys"] } };
    const first = await network.start("amber", { bridges });
    const { handle } = await member(first, "near", []);
    await handle.publish("deploys", { kind: "deployed", payload: "kept" });
    await until("it waits", () => first.node.status().bridges[0]?.waiting === 1);
    await first.stop();
    await nats.start();
    const again = await network.start("amber", { bridges });
    await until("it went out", () => again.node.status().bridges[0]?.waiting === 0, 60_000);
    expect(await nats.contents("plans")).toEqual(["kept"]);
  }, 90_000);
});

test("settings that no bridge can have are refused", async () => {
  await using network = new TestNetwork();
  onTestFinished(() => expect(network.nodes).toEqual([]));
  const wrong = [{ nats: { servers: [] } }, { nats: { servers: "a", stream: "a.b" } }, { kafka: {} }, "no JSON"];
  for (const bridges of wrong) {
    await expect(network.start("amber", { bridges })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  }
});

test("without the packages that it needs a node says how to install them", () => {
  const home = mkdtempSync(join(tmpdir(), "easynet-bridge-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const uninstalled = withImport(`import { registerHooks } from "node:module";
    registerHooks({ resolve: (name, context, next) => next(name.startsWith("@nats-io/") ? "not-installed" : name, context) });
    process.env.EASYNET_BRIDGES = '{ "nats": { "servers": "127.0.0.1:1" } }';`);
  const { status, stderr } = runCommand(uninstalled, ["up", ...QUIET], home);
  expect(stderr).toContain("npm install @nats-io/transport-node @nats-io/jetstream");
  expect(status).toBe(1);
});

async function findings(served: ServedNode): Promise<readonly string[]> {
  return (await served.node.examine()).map(({ fact }) => fact);
}
