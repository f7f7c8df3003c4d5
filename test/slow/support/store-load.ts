/** What the crash tests of the store write, and how they recognise it again. */
import { createHash } from "node:crypto";
import type { Store, Write } from "../../../packages/easynet/src/storage/index.ts";

/** Commit callers that run at once. */
export const CALLER_COUNT = 16;

/** Entries that each caller keeps: with entry i it deletes entry i - WINDOW in the same commit. */
export const WINDOW = 40;

/** One entry in so many is large; the others have 64 to 256 bytes. */
const LARGE_EVERY = 50;
const LARGE_BYTES = 100 * 1024;

/** Two spaces that always change together: half of a commit would show as a difference between them. */
const SPACES = ["load-a", "load-b"] as const;

export function keyOf(round: number, caller: number, index: number): string {
  return `${round}/${caller}/${String(index).padStart(9, "0")}`;
}

/** The only right value of a key, so that a torn one is told from a whole one. */
export function valueOf(key: string): Uint8Array {
  const digest = createHash("sha256").update(key).digest();
  const large = digest.readUInt32LE(0) % LARGE_EVERY === 0;
  const bytes = large ? LARGE_BYTES : 64 + (digest.readUInt32LE(4) % 193);
  return Buffer.alloc(bytes, digest);
}

/** Commit number `index` of a caller. */
export function writesOf(round: number, caller: number, index: number): readonly Write[] {
  const key = keyOf(round, caller, index);
  const value = valueOf(key);
  const old = keyOf(round, caller, index - WINDOW);
  return SPACES.flatMap((space): Write[] => [
    { kind: "put", space, key, value },
    ...(index >= WINDOW ? [{ kind: "delete", space, key: old } as const] : []),
  ]);
}

/** Highest acknowledged index of each caller, by `round/caller`. */
type Acknowledged = Map<string, number>;

export interface Progress {
  acknowledged: Acknowledged;
  /** `acknowledged` at the last acknowledgement of a commit to the disk: this much must survive a power cut. */
  synced: Acknowledged;
}

export const noProgress = (): Progress => ({ acknowledged: new Map(), synced: new Map() });

export interface Findings {
  /** Commits that are not there though they must be. */
  readonly missing: number;
  /** Commits for the process only, acknowledged after the last one to the disk, that are not there. */
  readonly unsynced: number;
  /** Whatever else is not as it must be, one sentence each. */
  readonly faults: readonly string[];
}

/** Compares what is in the store with what was acknowledged. */
export function verifyLoad(store: Store, { acknowledged, synced }: Progress): Findings {
  const faults: string[] = [];
  const found = SPACES.map((space) => readAll(store, space, faults));
  if (JSON.stringify(found[0]) !== JSON.stringify(found[1])) faults.push("half of a commit is there");
  const byCaller = new Map<string, number[]>();
  for (const key of found[0] ?? []) {
    const cut = key.lastIndexOf("/");
    const caller = key.slice(0, cut);
    const indexes = byCaller.get(caller) ?? [];
    indexes.push(Number(key.slice(cut + 1)));
    byCaller.set(caller, indexes);
  }
  let missing = 0;
  let unsynced = 0;
  for (const caller of new Set([...byCaller.keys(), ...acknowledged.keys()])) {
    const indexes = byCaller.get(caller) ?? [];
    const highest = indexes.at(-1) ?? -1;
    const acked = acknowledged.get(caller) ?? -1;
    const lost = Math.max(0, acked - highest);
    const missed = Math.max(0, (synced.get(caller) ?? -1) - highest);
    missing += missed;
    unsynced += lost - missed;
    // A caller waits for each commit, so at most one that was not acknowledged can be there.
    if (highest > acked + 1) faults.push(`${caller} has entry ${highest} though it had only ${acked} acknowledged`);
    const expected = Array.from(
      { length: Math.min(WINDOW, highest + 1) },
      (_, at) => at + Math.max(0, highest + 1 - WINDOW),
    );
    if (indexes.join() !== expected.join()) faults.push(`${caller} has entries ${indexes.join()} up to ${highest}`);
  }
  return { missing, unsynced, faults };
}

/** Removes everything, so that the file stays small over many rounds. */
export async function clearLoad(store: Store): Promise<void> {
  const writes = SPACES.flatMap((space) => keysOf(store, space).map((key): Write => ({ kind: "delete", space, key })));
  await store.commit(writes);
}

function readAll(store: Store, space: string, faults: string[]): readonly string[] {
  const keys: string[] = [];
  for (let page = store.list(space); page.length > 0; page = store.list(space, { after: keys.at(-1) ?? "" })) {
    for (const { key, value } of page) {
      if (!Buffer.from(valueOf(key)).equals(value)) faults.push(`the value of ${key} is not the one that was written`);
      keys.push(key);
    }
  }
  return keys;
}

function keysOf(store: Store, space: string): readonly string[] {
  const keys: string[] = [];
  for (let page = store.list(space); page.length > 0; page = store.list(space, { after: keys.at(-1) ?? "" })) {
    keys.push(...page.map(({ key }) => key));
  }
  return keys;
}
