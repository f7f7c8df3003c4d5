import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { generateKeyPair, keyPairFromSeed, parseDid } from "../../packages/easynet/src/identity/index.ts";
import {
  isEasynetError,
  noMetrics,
  silentLogger,
  systemClock,
  systemRandom,
} from "../../packages/easynet/src/kernel/index.ts";
import type { Mesh } from "../../packages/easynet/src/mesh/index.ts";
import { createDelivery, type Delivery, type MessageDurability } from "../../packages/easynet/src/messaging/index.ts";
import { openStore, type Store } from "../../packages/easynet/src/storage/index.ts";
import { startMesh } from "../mesh/easynet.ts";
import { type Consumer, fieldOf, type Publisher, type System } from "./system.ts";

const KIND = "bench";

/** The product's delivery over the product's mesh, each process with a store of its own. */
export const easynetSystem = (durability: MessageDurability): System => ({
  async consume(_server, handle): Promise<Consumer> {
    const root = generateKeyPair();
    const { mesh, delivery, store } = await start(root.exportSeed(), ["127.0.0.1:0"]);
    delivery.handle(({ payload }) => handle(payload));
    return {
      address: { root: Buffer.from(root.exportSeed()).toString("hex"), at: mesh.addresses()[0] },
      async settled() {
        // What was handled in this turn is committed at its end, and commits keep their order.
        await nextTurn();
        await store.commit([{ kind: "put", space: "bench", key: "settled", value: new Uint8Array() }]);
      },
    };
  },
  async publisher(address): Promise<Publisher> {
    const root = keyPairFromSeed(Buffer.from(String(fieldOf(address, "root")), "hex"));
    const { mesh, delivery } = await start(root.exportSeed(), []);
    const to = parseDid((await mesh.connect(String(fieldOf(address, "at")))).did);
    const send = (payload: Uint8Array) => delivery.send(to, { kind: KIND, payload, durability });
    return {
      publish: async (body) => send(body).acknowledged,
      offer(body) {
        try {
          send(body);
          return undefined;
        } catch (error) {
          if (!isEasynetError(error, "BACKPRESSURE")) throw error;
          return delivery.drained(to).then(() => void send(body));
        }
      },
    };
  },
});

interface Node {
  readonly mesh: Mesh;
  readonly delivery: Delivery;
  readonly store: Store;
}

async function start(rootSeed: Uint8Array, listenAddresses: readonly string[]): Promise<Node> {
  const store = await openStore({ path: join(mkdtempSync(join(tmpdir(), "easynet-bench-")), "node.db") });
  const keyPair = generateKeyPair();
  const mesh = await startMesh(rootSeed, listenAddresses, keyPair);
  const ports = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: noMetrics };
  return { mesh, store, delivery: createDelivery({ mesh, keyPair, store, epoch: 1, ...ports }) };
}
