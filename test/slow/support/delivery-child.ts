/**
 * One end of the kill test of delivery, until it is killed: a mesh on loopback, a store on disk, delivery.
 * `delivery-child.ts CONFIG` with {@link ChildConfig} as JSON. The sender prints `s ROUND/LANE NUMBER` when a message is
 * stored and `a …` when it is acknowledged, the recipient `h` when it handled something.
 */
import { writeSync } from "node:fs";
import {
  issueMembership,
  keyPairFromSeed,
  parseDid,
  verifyMembership,
} from "../../../packages/easynet/src/identity/index.ts";
import {
  isEasynetError,
  noMetrics,
  silentLogger,
  systemClock,
  systemRandom,
} from "../../../packages/easynet/src/kernel/index.ts";
import { createLibp2pFabric, createMesh } from "../../../packages/easynet/src/mesh/index.ts";
import {
  createDelivery,
  type ReceivedMessage,
  type Transaction,
} from "../../../packages/easynet/src/messaging/index.ts";
import { PRIORITIES } from "../../../packages/easynet/src/model/index.ts";
import { openStore } from "../../../packages/easynet/src/storage/index.ts";
import { EFFECTS, gapKey } from "./delivery-ledger.ts";

export interface ChildConfig {
  readonly role: "sender" | "recipient";
  readonly path: string;
  /** Hex of the key of the network and of this node. */
  readonly rootSeed: string;
  readonly seed: string;
  readonly port: number;
  readonly peer: string;
  readonly peerAddress: string;
  /** Which life of the sender; its messages are numbered from 1 in each. Undefined: it sends nothing and ends when all is sent. */
  readonly round: number | undefined;
  /** Planted fault: the same epoch in every life. */
  readonly sameEpoch: boolean;
}

const OUTSTANDING_MAX = 400;
const PER_TURN = 10;
const AGAIN_MS = 20;

const config: ChildConfig = JSON.parse(process.argv[2] ?? "");
const ports = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: noMetrics };
const store = await openStore({ path: config.path });
const lastEpoch = Number(Buffer.from(store.get("test", "epoch") ?? []).toString());
const epoch = config.sameEpoch ? 1 : lastEpoch + 1;
await store.commit([{ kind: "put", space: "test", key: "epoch", value: Buffer.from(String(epoch)) }]);
const root = keyPairFromSeed(Buffer.from(config.rootSeed, "hex"));
const keyPair = keyPairFromSeed(Buffer.from(config.seed, "hex"));
const fabric = await createLibp2pFabric({ keyPair, listenAddresses: [`127.0.0.1:${config.port}`], ...ports });
const mesh = createMesh({
  fabric,
  network: root.did,
  name: config.role,
  membership: await issueMembership(root, keyPair.did, { nowMs: Date.now(), timeToLiveMs: 86_400_000 }),
  verifyMember: (bytes, member) => verifyMembership(bytes, { network: root.did, member, nowMs: Date.now() }),
  config: { redialBaseMs: 20, redialCapMs: 100, redialFreshCapMs: 100 },
  ...ports,
});
const delivery = createDelivery({ mesh, keyPair, store, epoch, ...ports });
const peer = parseDid(config.peer);
const pause = new Int32Array(new SharedArrayBuffer(4));

/** Synchronous: once it returns, the kernel has the line, and the parent reads it even when we are dead. */
function say(line: string): void {
  let rest = Buffer.from(`${line}\n`);
  while (rest.byteLength > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (!(error instanceof Error) || !("code" in error) || error.code !== "EAGAIN") throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
}

let outstanding = 0;
const numbers = new Map<string, number>();

function sendOne(round: number): void {
  const priority = PRIORITIES[Math.floor(Math.random() * PRIORITIES.length)] ?? "normal";
  const stream = `${round}/${priority}`;
  const number = (numbers.get(stream) ?? 0) + 1;
  const text = `${stream} ${number}`;
  const payload = Buffer.from(text.padEnd(64 + Math.floor(Math.random() * 400)));
  const sent = delivery.send(peer, { kind: "load", payload, priority, expiresInMs: 86_400_000 });
  numbers.set(stream, number);
  outstanding += 1;
  void sent.stored.then(() => say(`s ${text}`));
  void sent.acknowledged.then(() => {
    outstanding -= 1;
    say(`a ${text}`);
  });
}

function load(round: number): void {
  try {
    for (let count = 0; count < PER_TURN && outstanding < OUTSTANDING_MAX; count++) sendOne(round);
  } catch (error) {
    if (!isEasynetError(error, "BACKPRESSURE")) throw error;
  }
  setTimeout(() => load(round), Math.random() * 4);
}

/** Keeps what came in the store, together with the message: the last number of each stream, and what was left out. */
function take(message: ReceivedMessage, transaction: Transaction): void {
  const [stream = "", numberText = ""] = Buffer.from(message.payload).toString().trimEnd().split(" ");
  const number = Number(numberText);
  const last = Number(Buffer.from(transaction.get(EFFECTS, stream) ?? []).toString());
  if (number <= last) transaction.put("violations", `${stream} ${number} after ${last}`, new Uint8Array());
  else {
    if (number > last + 1) transaction.put("gaps", gapKey(stream, last + 1, number - 1), new Uint8Array());
    transaction.put(EFFECTS, stream, Buffer.from(String(number)));
  }
}

if (config.role === "recipient") {
  let told = false;
  delivery.handle((message, transaction) => {
    if (!told) say("h");
    told = true;
    if (Math.random() >= 0.02) {
      take(message, transaction);
      return undefined;
    }
    return new Promise<void>((resolve) => {
      setTimeout(() => {
        take(message, transaction);
        resolve();
      }, Math.random() * 5);
    });
  });
}
await mesh.start();
if (config.peerAddress !== "") mesh.learn(peer, [config.peerAddress]);
say("up");
const { round } = config;
if (config.role === "sender" && round !== undefined) load(round);
else if (config.role === "sender") {
  const look = (): void => {
    if (delivery.outbox().length > 0) setTimeout(look, AGAIN_MS);
    else say("drained");
  };
  look();
}
/** Ends in peace: what was acknowledged and not handled yet has a row. */
async function end(): Promise<void> {
  while (config.role === "recipient" && store.list("message-inbox", { limit: 1 }).length > 0) {
    await new Promise<void>((resolve) => {
      setTimeout(resolve, AGAIN_MS);
    });
  }
  await delivery.close();
  await mesh.stop();
  await store.close();
  process.exit(0);
}

process.on("SIGTERM", () => void end());
