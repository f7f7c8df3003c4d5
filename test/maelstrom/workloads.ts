/** What a node does for each workload of Maelstrom (doc/workloads.md), with the product's own services. */
import {
  type Clock,
  isEasynetError,
  type Logger,
  type Metrics,
  type Random,
} from "../../packages/easynet/src/kernel/index.ts";
// Not through mesh/index.ts, which loads every transport: a node starts in a third of the time.
import { createGossip } from "../../packages/easynet/src/mesh/gossip.ts";
import type { Mesh } from "../../packages/easynet/src/mesh/index.ts";
import { createConsensus } from "../../packages/easynet/src/state/consensus/index.ts";
import type { CriticalStore } from "../../packages/easynet/src/state/critical/types.ts";
import { createSharedState, type RunningState } from "../../packages/easynet/src/state/spaces/shared-state.ts";
import type { MergeRule } from "../../packages/easynet/src/state/spaces/types.ts";
import { MemoryStore } from "../../packages/easynet/src/storage/index.ts";
import { decodeValue, encodeValue } from "../../packages/easynet/src/wire/index.ts";
import { type MaelstromBody, RequestError } from "./protocol.ts";

export type Workload = (body: MaelstromBody) => Promise<MaelstromBody>;

export interface Services {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Whether this node begins a group that others join. */
  readonly isFirst: boolean;
  readonly nodeCount: number;
}

const WORKLOADS = {
  echo,
  broadcast,
  "g-set": growingSet,
  "g-counter": counter,
  "pn-counter": counter,
  "lin-kv": linearizableKeys,
  "txn-list-append": listTransactions,
} as const satisfies Record<string, (services: Services) => Workload | Promise<Workload>>;

export type WorkloadName = keyof typeof WORKLOADS;

export function isWorkloadName(name: string): name is WorkloadName {
  return Object.hasOwn(WORKLOADS, name);
}

export async function createWorkload(name: WorkloadName, services: Services): Promise<Workload> {
  return WORKLOADS[name](services);
}

function echo(): Workload {
  return async (body) => ({ type: "echo_ok", echo: body["echo"] });
}

/** Broadcast of the mesh, which spreads to whoever is linked; for whoever is cut off it is kept as shared state. */
async function broadcast(services: Services): Promise<Workload> {
  const gossip = createGossip(services);
  const state = await openSpace(services, "set");
  const heard: unknown[] = [];
  gossip.handle("broadcast", (_from, bytes) => void heard.push(decodeValue(bytes)));
  return async ({ type, message }) => {
    if (type === "topology") return { type: "topology_ok" };
    if (type === "read") return { type: "read_ok", messages: [...new Set([...heard, ...(await elementsOf(state))])] };
    if (type !== "broadcast") throw unsupported(type);
    gossip.publish("broadcast", encodeValue(message));
    await state.write(KEY, { kind: "add", element: message }, { space: SPACE });
    return { type: "broadcast_ok" };
  };
}

async function elementsOf(state: RunningState): Promise<readonly unknown[]> {
  const { value } = await state.get(KEY, { space: SPACE });
  return Array.isArray(value) ? value : [];
}

async function openSpace(services: Services, merge: MergeRule): Promise<RunningState> {
  const epoch = Math.floor(services.clock.nowMs() / 1000);
  const state = createSharedState({ ...services, store: new MemoryStore(), epoch, directory: { nodes: () => [] } });
  state.start();
  await state.declare(SPACE, { merge });
  return state;
}

const SPACE = "maelstrom";
const KEY = "all";

async function growingSet(services: Services): Promise<Workload> {
  const state = await openSpace(services, "set");
  return async ({ type, element }) => {
    if (type === "read") return { type: "read_ok", value: await elementsOf(state) };
    if (type !== "add") throw unsupported(type);
    await state.write(KEY, { kind: "add", element }, { space: SPACE });
    return { type: "add_ok" };
  };
}

async function counter(services: Services): Promise<Workload> {
  const state = await openSpace(services, "counter");
  return async ({ type, delta }) => {
    if (type === "read") return { type: "read_ok", value: (await state.get(KEY, { space: SPACE })).value ?? 0 };
    if (type !== "add" || typeof delta !== "number") throw unsupported(type);
    await state.write(KEY, { kind: "increment", by: delta }, { space: SPACE });
    return { type: "add_ok" };
  };
}

/** The network's group, once every node has a vote. */
async function joinGroup(services: Services): Promise<CriticalStore> {
  const { clock, isFirst, nodeCount } = services;
  const times = { lookMs: 200, stableMs: 300 };
  const consensus = createConsensus({ ...services, store: new MemoryStore(), founds: isFirst, times });
  await consensus.start();
  const voterCount = (): number =>
    consensus.reports().reduce((sum, { members }) => sum + members.filter(({ vote }) => vote === "voter").length, 0);
  while (voterCount() < nodeCount) await new Promise<void>((resolve) => void clock.setTimer(50, resolve));
  return consensus.store();
}

async function linearizableKeys(services: Services): Promise<Workload> {
  const store = await joinGroup(services);
  const read = async (key: string): Promise<{ readonly value: unknown; readonly revision: number } | undefined> => {
    const entry = await store.get(key);
    return entry && { value: decodeValue(entry.value), revision: entry.revision };
  };
  const missing = (): RequestError => new RequestError("keyDoesNotExist", "nobody wrote it");
  const swap = async (key: string, from: unknown, to: unknown): Promise<MaelstromBody> => {
    for (;;) {
      const entry = await read(key);
      if (!entry) throw missing();
      if (entry.value !== from) throw new RequestError("preconditionFailed", "it has another value");
      const { revision } = entry;
      if ((await store.compareAndSet({ key, revision, value: encodeValue(to) })).done) return { type: "cas_ok" };
    }
  };
  return guarded(async ({ type, key, value, from, to }) => {
    const name = JSON.stringify(key);
    if (type === "read") {
      const entry = await read(name);
      if (!entry) throw missing();
      return { type: "read_ok", value: entry.value };
    }
    if (type === "cas") return swap(name, from, to);
    if (type !== "write") throw unsupported(type);
    await store.put(name, encodeValue(value));
    return { type: "write_ok" };
  });
}

/** All lists are one value, which a transaction replaces if nobody else did: one at a time, as few as they are. */
async function listTransactions(services: Services): Promise<Workload> {
  const store = await joinGroup(services);
  return guarded(async ({ type, txn }) => {
    if (type !== "txn" || !Array.isArray(txn)) throw unsupported(type);
    for (;;) {
      const entry = await store.get(KEY);
      const lists = new Map<string, unknown[]>(entry ? listsFrom(decodeValue(entry.value)) : []);
      const { done, writes } = carryOut(txn, lists);
      const value = encodeValue([...lists]);
      if (!writes || (await store.compareAndSet({ key: KEY, revision: entry?.revision ?? 0, value })).done) {
        return { type: "txn_ok", txn: done };
      }
    }
  });
}

function carryOut(
  transaction: readonly unknown[],
  lists: Map<string, unknown[]>,
): { readonly done: readonly unknown[]; readonly writes: boolean } {
  let writes = false;
  const done = transaction.map((operation: unknown) => {
    if (!Array.isArray(operation)) throw unsupported("txn");
    const [kind, key, element]: readonly unknown[] = operation;
    const name = JSON.stringify(key);
    const list = lists.get(name);
    if (kind === "r") return ["r", key, list ? [...list] : null];
    if (kind !== "append") throw unsupported(`txn with ${String(kind)}`);
    writes = true;
    lists.set(name, [...(list ?? []), element]);
    return operation;
  });
  return { done, writes };
}

function listsFrom(value: unknown): [string, unknown[]][] {
  const lists: [string, unknown[]][] = [];
  for (const pair of Array.isArray(value) ? value : []) {
    const [name, list]: readonly unknown[] = Array.isArray(pair) ? pair : [];
    if (typeof name === "string" && Array.isArray(list)) lists.push([name, list]);
  }
  return lists;
}

/** Refusals that are known to have done nothing say so; every other failure leaves it open. */
function guarded(workload: Workload): Workload {
  return async (body) => {
    try {
      return await workload(body);
    } catch (error) {
      if (isEasynetError(error, "NO_MAJORITY")) throw new RequestError("temporarilyUnavailable", error.message);
      throw error;
    }
  };
}

function unsupported(type: string): RequestError {
  return new RequestError("notSupported", `there is no request ${type}`);
}
