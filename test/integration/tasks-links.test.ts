import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import {
  generateKeyPair,
  issueMembership,
  type KeyPair,
  verifyMembership,
} from "../../packages/easynet/src/identity/index.ts";
import { noMetrics, silentLogger, systemClock, systemRandom } from "../../packages/easynet/src/kernel/index.ts";
import {
  createExchanges,
  createTaskCaller,
  createTaskServer,
  type ExchangeRequest,
} from "../../packages/easynet/src/messaging/index.ts";
import { createLibp2pFabric, createMesh, type Mesh } from "../../packages/easynet/src/mesh/index.ts";
import type { AgentEvent } from "../../packages/easynet/src/model/index.ts";
import { openStore } from "../../packages/easynet/src/storage/index.ts";

const ports = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: noMetrics };

async function startMesh(root: KeyPair): Promise<Mesh> {
  const keyPair = generateKeyPair();
  const mesh = createMesh({
    fabric: await createLibp2pFabric({ keyPair, listenAddresses: ["127.0.0.1:0"], ...ports }),
    network: root.did,
    name: "node",
    membership: await issueMembership(root, keyPair.did, { nowMs: Date.now(), timeToLiveMs: 3_600_000 }),
    verifyMember: (bytes, member) => verifyMembership(bytes, { network: root.did, member, nowMs: Date.now() }),
    config: {},
    ...ports,
  });
  await mesh.start();
  return mesh;
}

/** A wire between two nodes that can be cut: whatever goes through it is lost, in both directions. */
async function startWire(port: number): Promise<{ readonly port: number; cut(): void; readonly server: Server }> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    cut: () => sockets.forEach((socket) => socket.destroy()),
    server,
  };
}

const COUNT = 120;
const CUTS = 6;

test("a stored task over real links that are cut under it arrives whole, each event once", async () => {
  await using cleanup = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "easynet-tasks-"));
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  const root = generateKeyPair();
  const [caller, provider] = [await startMesh(root), await startMesh(root)];
  cleanup.defer(() => Promise.all([caller.stop(), provider.stop()]).then(() => undefined));
  const wire = await startWire(Number(/\/tcp\/(\d+)\//.exec(provider.addresses()[0] ?? "")?.[1]));
  cleanup.defer(() => void wire.server.close());
  let runs = 0;
  const sides = await Promise.all(
    [caller, provider].map(async (mesh, index) => {
      const store = await openStore({ path: join(folder, `${index}.db`) });
      cleanup.defer(() => store.close());
      const exchanges = createExchanges({ ...ports, mesh });
      const server = createTaskServer({
        ...ports,
        self: mesh.self,
        store,
        runner: { admit: () => ({ repeatable: false, durability: "disk" }), run: count },
      });
      const tasks = createTaskCaller({ ...ports, self: mesh.self, epoch: 1, store, exchanges, server, links: mesh });
      cleanup.defer(() => {
        server.close();
        tasks.close();
      });
      exchanges.serve(async (exchange) => {
        const options = { signal: exchange.signal, onAccepted: (cursor: number): void => exchange.accept(cursor) };
        for await (const event of server.attach(exchange.from, exchange.request, options)) await exchange.send(event);
      });
      return tasks;
    }),
  );
  async function* count(): AsyncGenerator<AgentEvent, void, void> {
    runs++;
    for (let number = 1; number <= COUNT; number++) {
      // Now and then more than the window of an exchange, so that cuts meet half a value.
      yield { type: "item", value: [number, "x".repeat(number % 20 === 0 ? 700_000 : 10)] };
      await sleep(15);
    }
    yield { type: "final", value: null, stop: "end" };
  }
  caller.learn(provider.self, [`127.0.0.1:${wire.port}#${provider.self}`]);
  while (!caller.peer(provider.self)) await sleep(20);
  const place = { node: provider.self, nodeName: "provider", agent: "", agentName: "" };
  const events = sides[0]?.call(requestOf(caller.self), place, { repeatable: false, others: () => false }) ?? [];
  const seen: unknown[] = [];
  let cuts = 0;
  for await (const event of events) {
    if (event.type === "item") seen.push(Array.isArray(event.value) ? event.value[0] : undefined);
    if (seen.length >= ((cuts + 1) * COUNT) / (CUTS + 1) && cuts < CUTS) {
      cuts++;
      wire.cut();
    }
  }
  expect(cuts).toBe(CUTS);
  expect(seen).toEqual(Array.from({ length: COUNT }, (_, index) => index + 1));
  expect(runs).toBe(1);
}, 60_000);

function requestOf(from: string): ExchangeRequest {
  const nowMs = Date.now();
  return {
    envelope: {
      id: "order-4711",
      from,
      kind: "task",
      createdAtMs: nowMs,
      deadlineAtMs: nowMs + 60_000,
      priority: "normal",
      hopsLeft: 3,
      depth: 0,
      lane: "normal",
      sequence: 0,
      epoch: 1,
    },
    capability: "work",
    input: { args: [], kwargs: {} },
  };
}
