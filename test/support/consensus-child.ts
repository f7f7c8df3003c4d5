/** One node with consensus as a process of its own: `consensus-child.ts CONFIG`; takes orders over IPC. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { issueMembership, keyPairFromSeed, verifyMembership } from "../../packages/easynet/src/identity/index.ts";
import {
  isEasynetError,
  noMetrics,
  silentLogger,
  systemClock,
  systemRandom,
} from "../../packages/easynet/src/kernel/index.ts";
import { createLibp2pFabric, createMesh } from "../../packages/easynet/src/mesh/index.ts";
import {
  type Consensus,
  createConsensus,
  type GroupReport,
  type Lease,
} from "../../packages/easynet/src/state/index.ts";
import { openStore } from "../../packages/easynet/src/storage/index.ts";

export interface ConsensusChildConfig {
  readonly folder: string;
  /** Seeds of the network's key and of the node's, hex. */
  readonly root: string;
  readonly key: string;
  readonly port: number;
  /** Addresses of the others with their dids. */
  readonly others: readonly { readonly did: string; readonly address: string }[];
  readonly founds: boolean;
}

export type ConsensusOrder =
  | { readonly do: "report" }
  /** Writes of `size` bytes for a time, so many at once. */
  | { readonly do: "load"; readonly size: number; readonly outstanding: number; readonly durationMs: number }
  /** Writes until the process ends, telling what was acknowledged of `[prefix]/0`, `[prefix]/1`… */
  | { readonly do: "write"; readonly prefix: string; readonly outstanding: number }
  | { readonly do: "keys"; readonly prefix: string }
  | { readonly do: "acquire"; readonly resource: string; readonly owner: string; readonly ttlMs: number }
  | { readonly do: "stop" };

export type ConsensusNews =
  | { readonly kind: "answer"; readonly id: number; readonly value?: unknown; readonly error?: string }
  | { readonly kind: "ready" }
  | { readonly kind: "leader"; readonly leader: string | undefined }
  | { readonly kind: "acknowledged"; readonly keys: readonly string[] };

export interface LoadFigures {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

export type ConsensusAnswers = GroupReport | LoadFigures | readonly string[] | Lease | undefined;

/** Writers of one process whose keys are all different, and kept: at most 100 a second. The others write over their own. */
const TOLD_COUNT = 4;
const TOLD_PAUSE_MS = 40;

const tell = (news: ConsensusNews): void => void process.send?.(news);

async function start(config: ConsensusChildConfig): Promise<Consensus> {
  const ports = { clock: systemClock, random: systemRandom, logger: silentLogger, metrics: noMetrics };
  const root = keyPairFromSeed(Buffer.from(config.root, "hex"));
  const keyPair = keyPairFromSeed(Buffer.from(config.key, "hex"));
  const store = await openStore({ path: join(config.folder, "node.db") });
  const fabric = await createLibp2pFabric({ keyPair, listenAddresses: [`127.0.0.1:${config.port}`], ...ports });
  const mesh = createMesh({
    fabric,
    network: root.did,
    name: "member",
    membership: await issueMembership(root, keyPair.did, { nowMs: Date.now(), timeToLiveMs: 86_400_000 }),
    verifyMember: (bytes, member) => verifyMembership(bytes, { network: root.did, member, nowMs: Date.now() }),
    ...ports,
  });
  await mesh.start();
  const times = { lookMs: 200, stableMs: 200, lostMs: 3_600_000 };
  const consensus = createConsensus({ mesh, store, founds: config.founds, times, ...ports });
  consensus.on((event) => {
    if (event.type === "leader") tell({ kind: "leader", leader: event.leader });
  });
  await consensus.start();
  void (async () => {
    // Until every one was met once; from then on the mesh itself dials again.
    for (const { address } of config.others) {
      for (;;) {
        const met = await mesh.connect(address).then(
          () => true,
          () => false,
        );
        if (met) break;
        await sleep(100);
      }
    }
  })();
  return consensus;
}

async function load(consensus: Consensus, order: Extract<ConsensusOrder, { do: "load" }>): Promise<LoadFigures> {
  const store = consensus.store();
  const latencies: number[] = [];
  const endsAt = performance.now() + order.durationMs;
  const startedAt = performance.now();
  const writer = async (number: number): Promise<void> => {
    const value = new Uint8Array(order.size).fill(number);
    for (let round = 0; performance.now() < endsAt; round++) {
      const sentAt = performance.now();
      await store.put(`load/${number}/${round % 16}`, value);
      latencies.push(performance.now() - sentAt);
    }
  };
  await Promise.all(Array.from({ length: order.outstanding }, async (_, number) => writer(number)));
  const elapsedMs = performance.now() - startedAt;
  latencies.sort((one, other) => one - other);
  const at = (ratio: number): number => Math.round((latencies[Math.floor(latencies.length * ratio)] ?? 0) * 1000);
  return { perSecond: (latencies.length / elapsedMs) * 1000, p50Us: at(0.5), p99Us: at(0.99) };
}

function write(consensus: Consensus, { prefix, outstanding }: Extract<ConsensusOrder, { do: "write" }>): void {
  const store = consensus.store();
  let next = 0;
  let acknowledged: string[] = [];
  const told = (key: string): void => {
    if (acknowledged.length === 0) {
      setImmediate(() => {
        tell({ kind: "acknowledged", keys: acknowledged });
        acknowledged = [];
      });
    }
    acknowledged.push(key);
  };
  const writer = async (number: number): Promise<void> => {
    const isTold = number < TOLD_COUNT;
    for (;;) {
      const key = isTold ? `${prefix}/${next++}` : `load/${number}`;
      try {
        await store.put(key, new Uint8Array(8));
        if (isTold) told(key);
      } catch (error) {
        if (!isEasynetError(error)) throw error;
        await sleep(20);
      }
      if (isTold) await sleep(TOLD_PAUSE_MS);
    }
  };
  for (let number = 0; number < outstanding; number++) void writer(number);
}

async function keysOf(consensus: Consensus, prefix: string): Promise<readonly string[]> {
  const keys: string[] = [];
  for (let after: string | undefined; ; after = keys.at(-1)) {
    const page = await consensus.store().list(prefix, { after });
    if (page.length === 0) return keys;
    keys.push(...page.map(({ key }) => key));
  }
}

async function perform(consensus: Consensus, order: ConsensusOrder): Promise<ConsensusAnswers> {
  switch (order.do) {
    case "report":
      return consensus.reports()[0];
    case "load":
      return load(consensus, order);
    case "write":
      write(consensus, order);
      return undefined;
    case "keys":
      return keysOf(consensus, order.prefix);
    case "acquire": {
      const outcome = await consensus.store().acquire(order);
      return outcome.granted ? outcome.lease : undefined;
    }
    case "stop":
    default:
      await consensus.stop();
      process.disconnect();
      return undefined;
  }
}

const config: ConsensusChildConfig = JSON.parse(process.argv[2] ?? "{}");
const started = await start(config);
process.on("message", ({ id, order }: { readonly id: number; readonly order: ConsensusOrder }) => {
  perform(started, order).then(
    (value) => tell({ kind: "answer", id, value }),
    (error: unknown) => tell({ kind: "answer", id, error: String(error) }),
  );
});
process.on("disconnect", () => process.exit());
tell({ kind: "ready" });
