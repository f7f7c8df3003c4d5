/**
 * The churn of a directory on two replicas: each round every replica updates the load of a tenth of the entries, lets one
 * in a hundred leave and one in a hundred join, and then both exchange deltas. Every subject does the same work on the
 * same values; encoding and decoding of what travels belongs to it.
 */
import { LoroDoc, LoroMap } from "loro-crdt";
import * as Y from "yjs";
import { DidCache } from "../../packages/easynet/src/state/did-cache.ts";
import { decodePush, encodePush } from "../../packages/easynet/src/state/spaces/codec.ts";
import { resolveSiblings } from "../../packages/easynet/src/state/spaces/rules-core.ts";
import { SpaceCore, type Told, type Written } from "../../packages/easynet/src/state/spaces/space-core.ts";
import { DEFAULT_SPACE } from "../../packages/easynet/src/state/spaces/types.ts";
import { fakeDid } from "../../packages/easynet/src/testing/index.ts";
import { seededRandom } from "../../packages/easynet/src/kernel/index.ts";

/** A record of about 220 bytes of JSON. */
export interface Entry {
  readonly name: string;
  readonly node: string;
  readonly capabilities: readonly string[];
  readonly address: string;
  readonly load: number;
  readonly seq: number;
}

export function entryOf(index: number, seq: number): Entry {
  return {
    name: `agent-${index}`,
    node: `did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2d${String(index).padStart(4, "0")}`,
    capabilities: ["translate.zh-en", "summarise.long", `special-${index % 50}`],
    address: `/ip4/10.0.${index % 250}.${(index * 7) % 250}/tcp/7441`,
    load: ((index * 31 + seq * 17) % 100) / 100,
    seq,
  };
}

/** Two replicas of one map. */
export interface Subject {
  put(replica: 0 | 1, key: string, entry: Entry): void;
  /** Only the load and its number changed; who keeps whole records writes the record. */
  load(replica: 0 | 1, key: string, entry: Entry): void;
  delete(replica: 0 | 1, key: string): void;
  /** Each sends what the other lacks and takes it in. @returns bytes, both ways */
  exchange(): number;
  /** Keys and their numbers on one replica. */
  read(replica: 0 | 1): ReadonlyMap<string, number>;
}

export interface Churned {
  /** All rounds, without the first fill; time of the processor, because others may use the machine. */
  readonly churnMs: number;
  readonly bytesPerRound: number;
  readonly deltaBytesOf100: number;
}

export function churn(
  subject: Subject,
  { entries, rounds }: { readonly entries: number; readonly rounds: number },
): Churned {
  const random = seededRandom(7);
  // As in a directory, each entry has one owner: there is no conflict to resolve.
  const owned: readonly [string[], string[]] = [[], []];
  const seqs = new Map<string, number>();
  const join = (replica: 0 | 1): void => {
    const joined = seqs.size;
    const key = `agent-${joined}`;
    subject.put(replica, key, entryOf(joined, 0));
    owned[replica].push(key);
    seqs.set(key, 0);
  };
  const any = (replica: 0 | 1): number => Math.floor(random.next() * owned[replica].length);
  for (let index = 0; index < entries; index++) join(index % 2 === 0 ? 0 : 1);
  subject.exchange();
  const update = (replica: 0 | 1): void => {
    const key = owned[replica][any(replica)] ?? "";
    const seq = (seqs.get(key) ?? 0) + 1;
    seqs.set(key, seq);
    subject.load(replica, key, entryOf(Number(key.slice(6)), seq));
  };
  let bytes = 0;
  const startUs = process.cpuUsage();
  for (let round = 0; round < rounds; round++) {
    for (const replica of [0, 1] as const) {
      for (let count = 0; count < entries / 10; count++) update(replica);
      for (let count = 0; count < entries / 100; count++) {
        const [key] = owned[replica].splice(any(replica), 1);
        if (key !== undefined) subject.delete(replica, key);
      }
      for (let count = 0; count < entries / 100; count++) join(replica);
    }
    bytes += subject.exchange();
  }
  const { user, system } = process.cpuUsage(startUs);
  const churnMs = (user + system) / 1000;
  for (let count = 0; count < 100; count++) update(0);
  const deltaBytesOf100 = subject.exchange();
  check(subject, new Set(owned.flat()));
  return { churnMs, bytesPerRound: bytes / rounds, deltaBytesOf100 };
}

function check(subject: Subject, keys: ReadonlySet<string>): void {
  const [one, other] = [subject.read(0), subject.read(1)];
  const same = one.size === keys.size && other.size === keys.size;
  if (!same || [...one].some(([key, seq]) => other.get(key) !== seq || !keys.has(key))) {
    throw new Error(`the replicas differ: ${one.size} and ${other.size} of ${keys.size}`);
  }
}

/** Whole records under one key, or the load under a key of its own, as the directory keeps it apart. */
export function spaces(shape: "whole" | "apart"): Subject {
  const cache = new DidCache();
  const cores = [0, 1].map((number) => {
    return new SpaceCore({ name: "bench", self: fakeDid(number), epoch: 1, spec: DEFAULT_SPACE });
  });
  const of = (replica: 0 | 1): SpaceCore => cores[replica] ?? fail();
  const untold: readonly [Told[], Told[]] = [[], []];
  const tell = (replica: 0 | 1, written: Written | undefined): void => {
    if (written) untold[replica].push(written.told);
  };
  const write = (replica: 0 | 1, key: string, value: unknown): void => {
    tell(replica, of(replica).change(key, { kind: "put", value }, { nowMs: Date.now() }));
  };
  const load = (replica: 0 | 1, key: string, entry: Entry): void => {
    if (shape === "whole") write(replica, key, entry);
    else write(replica, `${key}${LOAD}`, [entry.load, entry.seq]);
  };
  return {
    put: (replica, key, entry) => {
      if (shape === "apart") load(replica, key, entry);
      write(replica, key, entry);
    },
    load,
    delete: (replica, key) => {
      for (const each of shape === "apart" ? [key, `${key}${LOAD}`] : [key]) {
        tell(replica, of(replica).change(each, { kind: "delete" }, { nowMs: Date.now() }));
      }
    },
    exchange: () => {
      let bytes = 0;
      for (const from of [0, 1] as const) {
        for (let at = 0; at < untold[from].length; at += CHANGES_PER_FRAME) {
          const frame = encodePush("bench", untold[from].slice(at, at + CHANGES_PER_FRAME));
          bytes += frame.length;
          const { missing } = of(from === 0 ? 1 : 0).hear(decodePush(frame, cache).told, Date.now());
          if (missing) throw new Error("a change was missed");
        }
        untold[from].length = 0;
      }
      return bytes;
    },
    read: (replica) => readSpace(of(replica)),
  };
}

function readSpace(core: SpaceCore): ReadonlyMap<string, number> {
  const seqs = new Map<string, number>();
  for (const { key, siblings } of core.entries()) {
    const { found, value } = resolveSiblings("last-writer", siblings);
    if (!found || key.endsWith(LOAD)) continue;
    const apart = resolveSiblings("last-writer", core.get(`${key}${LOAD}`)?.siblings ?? []);
    seqs.set(key, Array.isArray(apart.value) ? Number(apart.value[1]) : seqOf(value));
  }
  return seqs;
}

const LOAD = "/load";
/** About 128 KiB, as replicas push them. */
const CHANGES_PER_FRAME = 500;

function fail(): never {
  throw new Error("no such replica");
}

export function yjsNested(): Subject {
  const docs = [new Y.Doc(), new Y.Doc()] as const;
  const map = (replica: 0 | 1): Y.Map<Y.Map<unknown>> => docs[replica].getMap("agents");
  return {
    put: (replica, key, entry) => void map(replica).set(key, new Y.Map(Object.entries(entry))),
    load: (replica, key, entry) => {
      docs[replica].transact(() => {
        map(replica).get(key)?.set("load", entry.load);
        map(replica).get(key)?.set("seq", entry.seq);
      });
    },
    delete: (replica, key) => map(replica).delete(key),
    exchange: () => exchangeYjs(docs),
    read: (replica) => seqsOf(Object.entries(map(replica).toJSON())),
  };
}

export function yjsFlat(): Subject {
  const docs = [new Y.Doc(), new Y.Doc()] as const;
  const map = (replica: 0 | 1): Y.Map<Entry> => docs[replica].getMap("agents");
  const put = (replica: 0 | 1, key: string, entry: Entry): void => void map(replica).set(key, entry);
  return {
    put,
    load: put,
    delete: (replica, key) => map(replica).delete(key),
    exchange: () => exchangeYjs(docs),
    read: (replica) => seqsOf(map(replica).entries()),
  };
}

function exchangeYjs(docs: readonly [Y.Doc, Y.Doc]): number {
  const updates = [
    Y.encodeStateAsUpdate(docs[0], Y.encodeStateVector(docs[1])),
    Y.encodeStateAsUpdate(docs[1], Y.encodeStateVector(docs[0])),
  ] as const;
  Y.applyUpdate(docs[1], updates[0]);
  Y.applyUpdate(docs[0], updates[1]);
  return updates[0].length + updates[1].length;
}

/** Whole records, or a map for each agent whose load changes by itself: the smaller deltas. */
export function loro(shape: "flat" | "nested"): Subject {
  const docs = [new LoroDoc(), new LoroDoc()] as const;
  const map = (replica: 0 | 1): LoroMap => docs[replica].getMap("agents");
  const put = (replica: 0 | 1, key: string, entry: Entry): void => {
    if (shape === "flat") {
      map(replica).set(key, { ...entry, capabilities: [...entry.capabilities] });
      return;
    }
    const fields = map(replica).setContainer(key, new LoroMap());
    for (const [name, value] of Object.entries(entry)) fields.set(name, value);
  };
  return {
    put,
    load: (replica, key, entry) => {
      const fields = map(replica).get(key);
      if (!(fields instanceof LoroMap)) {
        put(replica, key, entry);
        return;
      }
      fields.set("load", entry.load);
      fields.set("seq", entry.seq);
    },
    delete: (replica, key) => map(replica).delete(key),
    exchange: () => {
      for (const doc of docs) doc.commit();
      const updates = [
        docs[0].export({ mode: "update", from: docs[1].oplogVersion() }),
        docs[1].export({ mode: "update", from: docs[0].oplogVersion() }),
      ] as const;
      docs[1].import(updates[0]);
      docs[0].import(updates[1]);
      return updates[0].length + updates[1].length;
    },
    read: (replica) => seqsOf(Object.entries(map(replica).toJSON())),
  };
}

function seqsOf(entries: Iterable<readonly [string, unknown]>): ReadonlyMap<string, number> {
  return new Map(Array.from(entries, ([key, value]) => [key, seqOf(value)]));
}

function seqOf(value: unknown): number {
  if (typeof value === "object" && value !== null && "seq" in value) return Number(value.seq);
  throw new Error("an entry without its number");
}
