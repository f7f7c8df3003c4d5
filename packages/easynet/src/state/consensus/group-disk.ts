import { createHash } from "node:crypto";
import { EasynetError } from "../../kernel/index.ts";
import type { Store, Write } from "../../storage/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import type { Entry, HardState, Snapshot } from "../raft/types.ts";
import { bytes, count, entryFields, entryFrom, list, metadataFields, metadataFrom } from "./message-codec.ts";

/** A snapshot is kept in values of this size, bytes. */
const CHUNK_BYTES = 1024 * 1024;
const PAGE_COUNT = 1000;
/** The names of the groups that a node is a member of. */
const GROUPS_SPACE = "raft-groups";
const META = "meta";
const HARD_STATE = "hard";
const SNAPSHOT = "snapshot";
const CHUNK = "chunk/";

/** Who this node is in a group. */
export interface GroupMeta {
  readonly id: number;
  /** Rises when an operator makes a group anew from what one node has; what belongs to an older one is void. */
  readonly generation: number;
  /** The generation that an operator replaced by this one; 0 = none. */
  readonly previous: number;
}

/** What a start finds. */
export interface LoadedGroup {
  readonly meta: GroupMeta;
  readonly hardState: HardState | undefined;
  readonly snapshot: Snapshot | undefined;
  readonly entries: readonly Entry[];
}

export interface AppendWork {
  readonly entries: readonly Entry[];
  readonly hardState: HardState | undefined;
  readonly snapshot: Snapshot | undefined;
}

/**
 * The durable side of one group on one node, in the node's store: its group commit is what makes one sync serve many
 * entries. Indexes are keys of 16 digits, so that the log lists in order.
 */
export class GroupDisk {
  readonly #store: Store;
  readonly #group: string;
  readonly #space: string;
  readonly #log: string;
  /** The log on disk: first and last index; empty when the last is before the first. */
  #first = 1;
  #last = 0;
  #chunks = 0;

  constructor(store: Store, group: string) {
    this.#store = store;
    this.#group = group;
    this.#space = `raft/${group}`;
    this.#log = `raft-log/${group}`;
  }

  /** Undefined: this node is no member. @throws {EasynetError} STORAGE_FAILED when what is there is damaged */
  load(): LoadedGroup | undefined {
    const meta = this.#store.get(this.#space, META);
    if (!meta) return undefined;
    try {
      const [id, generation, previous] = list(decodeValue(meta), 3);
      const hard = this.#store.get(this.#space, HARD_STATE);
      const entries = this.#loadLog();
      this.#first = entries[0]?.index ?? 1;
      this.#last = entries.at(-1)?.index ?? 0;
      const hardState = hard && hardStateFrom(decodeValue(hard));
      const known = { id: count(id), generation: count(generation), previous: count(previous) };
      return { meta: known, hardState, snapshot: this.#loadSnapshot(), entries };
    } catch (cause) {
      const reason = "a log of consensus is damaged";
      throw new EasynetError("STORAGE_FAILED", { path: this.#space, reason }, { cause });
    }
  }

  /** Begins as a member: nothing of an earlier life stays. Resolves when it is on disk. */
  async begin({ id, generation, previous }: GroupMeta, work: AppendWork): Promise<void> {
    const value = encodeValue([id, generation, previous]);
    const puts: readonly Write[] = [
      { kind: "put", space: this.#space, key: META, value },
      { kind: "put", space: GROUPS_SPACE, key: this.#group, value: new Uint8Array() },
    ];
    await this.#store.commit([...this.#clear(), ...puts, ...this.#writesOf(work)]);
  }

  /** Resolves when everything is on disk; calls end in their order. */
  async append(work: AppendWork): Promise<void> {
    await this.#store.commit(this.#writesOf(work));
  }

  /** Keeps a snapshot of the state and drops the log up to `compactTo`. */
  async compact(snapshot: Snapshot, compactTo: number): Promise<void> {
    const writes = this.#snapshotWrites(snapshot);
    writes.push(...this.#drop(this.#first, compactTo));
    this.#first = Math.max(this.#first, compactTo + 1);
    await this.#store.commit(writes);
  }

  /** This node is no member any more. */
  async erase(): Promise<void> {
    await this.#store.commit([...this.#clear(), { kind: "delete", space: GROUPS_SPACE, key: this.#group }]);
  }

  #writesOf({ entries, hardState, snapshot }: AppendWork): Write[] {
    const writes: Write[] = [];
    if (snapshot) {
      writes.push(...this.#snapshotWrites(snapshot), ...this.#drop(this.#first, this.#last));
      this.#first = snapshot.metadata.index + 1;
      this.#last = snapshot.metadata.index;
    }
    const start = entries[0]?.index;
    if (start !== undefined) {
      const end = entries.at(-1)?.index ?? start;
      writes.push(...this.#drop(end + 1, this.#last));
      if (this.#last < this.#first) this.#first = start;
      this.#last = end;
      for (const entry of entries) {
        writes.push({ kind: "put", space: this.#log, key: keyOf(entry.index), value: encodeValue(entryFields(entry)) });
      }
    }
    if (hardState) {
      const value = encodeValue([hardState.term, hardState.vote, hardState.commit]);
      writes.push({ kind: "put", space: this.#space, key: HARD_STATE, value });
    }
    return writes;
  }

  #snapshotWrites({ metadata, data }: Snapshot): Write[] {
    const chunks = Math.ceil(data.length / CHUNK_BYTES);
    const writes = Array.from({ length: chunks }, (_, index): Write => {
      const value = data.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
      return { kind: "put", space: this.#space, key: `${CHUNK}${keyOf(index)}`, value };
    });
    for (let index = chunks; index < this.#chunks; index++) {
      writes.push({ kind: "delete", space: this.#space, key: `${CHUNK}${keyOf(index)}` });
    }
    this.#chunks = chunks;
    const value = encodeValue([metadataFields(metadata), chunks, sumOf(data)]);
    writes.push({ kind: "put", space: this.#space, key: SNAPSHOT, value });
    return writes;
  }

  /** Both ends included. */
  #drop(from: number, to: number): Write[] {
    const length = Math.max(0, to - from + 1);
    return Array.from({ length }, (_, at): Write => ({ kind: "delete", space: this.#log, key: keyOf(from + at) }));
  }

  #clear(): Write[] {
    const keys = [
      META,
      HARD_STATE,
      SNAPSHOT,
      ...Array.from({ length: this.#chunks }, (_, index) => CHUNK + keyOf(index)),
    ];
    const writes = keys.map((key): Write => ({ kind: "delete", space: this.#space, key }));
    writes.push(...this.#drop(this.#first, this.#last));
    [this.#first, this.#last, this.#chunks] = [1, 0, 0];
    return writes;
  }

  #loadLog(): readonly Entry[] {
    const entries: Entry[] = [];
    for (let after: string | undefined; ;) {
      const page = this.#store.list(this.#log, { limit: PAGE_COUNT, ...(after !== undefined && { after }) });
      for (const { key, value } of page) entries.push(entryFrom(Number(key), decodeValue(value)));
      after = page.at(-1)?.key;
      if (page.length === 0) return entries;
    }
  }

  #loadSnapshot(): Snapshot | undefined {
    const stored = this.#store.get(this.#space, SNAPSHOT);
    if (!stored) return undefined;
    const [metadata, chunks, sum] = list(decodeValue(stored), 3);
    this.#chunks = count(chunks);
    const parts = Array.from({ length: this.#chunks }, (_, index) =>
      this.#store.get(this.#space, CHUNK + keyOf(index)),
    );
    const data = new Uint8Array(Buffer.concat(parts.map((part) => part ?? new Uint8Array())));
    if (Buffer.compare(sumOf(data), bytes(sum)) !== 0) throw new Error("the checksum of the snapshot differs");
    return { data, metadata: metadataFrom(metadata) };
  }
}

/** Of which groups this node was a member when it stopped. */
export function groupsOn(store: Store): readonly string[] {
  return store.list(GROUPS_SPACE).map(({ key }) => key);
}

/** SHA-256 of a snapshot's data. */
export function sumOf(data: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(data).digest());
}

function hardStateFrom(value: unknown): HardState {
  const [term, vote, commit] = list(value, 3);
  return { term: count(term), vote: count(vote), commit: count(commit) };
}

function keyOf(index: number): string {
  return String(index).padStart(16, "0");
}
