import { type Clock, EasynetError, type Logger } from "../../kernel/index.ts";
import type { Store } from "../../storage/index.ts";
import { decodeValue, encodeValue } from "../../wire/index.ts";
import { BlockFiles } from "./block-files.ts";
import { BlockStore, type Hold } from "./block-store.ts";
import { cutChunks } from "./chunks.ts";
import { type Cid, formatCid, hashOf, parseCid } from "./cid.ts";
import { FetchPlan } from "./fetch-core.ts";
import { buildTree } from "./layout-core.ts";
import type { ArtifactLimits } from "./limits.ts";
import { type BlockRef, decodeNode, describeRoot } from "./layout-core.ts";
import type { ArtifactReport, ByteSource, FetchOptions, KeepOptions, PutOptions } from "./types.ts";

const SPACE = "artifacts";
const PAGE_COUNT = 1000;

export interface ArtifactStoreOptions {
  /** Where blocks are kept; nothing else may be in it. */
  readonly folder: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: ArtifactLimits;
}

interface Entry {
  readonly cid: Cid;
  readonly text: string;
  readonly hold: Hold;
  bytes: number;
  complete: boolean;
  pinned: boolean;
  isPublic: boolean;
  usedAtMs: number;
  /** Undefined: kept until there is no room. */
  expiresAtMs: number | undefined;
  /** Reads, fetches: it is not removed meanwhile. */
  users: number;
}

/** A fetch under way: takes blocks of one artifact. */
export interface Arrival {
  readonly plan: FetchPlan;
  add(hash: string, bytes: Uint8Array): Promise<void>;
  /** Takes what is on disk already; false when that is nothing. */
  find(hash: string): Promise<boolean>;
  /** @throws {EasynetError} STORAGE_FAILED */
  finish(): Promise<ArtifactReport>;
  /** @param keep what has arrived stays for the next fetch */
  stop(keep: boolean): Promise<void>;
}

/** Artifacts of this node, on disk. */
export class ArtifactStore {
  readonly #options: ArtifactStoreOptions;
  readonly #blocks: BlockStore;
  readonly #entries = new Map<string, Entry>();
  /** Blocks of public artifacts; undefined when that may have changed. */
  #public: ReadonlySet<string> | undefined;

  private constructor(options: ArtifactStoreOptions, files: BlockFiles) {
    this.#options = options;
    this.#blocks = new BlockStore(files, (bytes) => this.#makeRoom(bytes));
  }

  /** Finds what earlier lives of the node left; blocks that belong to nothing go. @throws {EasynetError} STORAGE_FAILED */
  static async open(options: ArtifactStoreOptions): Promise<ArtifactStore> {
    const files = new BlockFiles(options.folder);
    const artifacts = new ArtifactStore(options, files);
    const found = await files.scan();
    const kept = new Set<string>();
    for (const entry of artifacts.#rows()) {
      const whole = await artifacts.#recover(entry, { files, found });
      for (const hash of entry.hold.hashes) kept.add(hash);
      if (entry.hold.hashes.size === 0) await artifacts.#forget(entry);
      else artifacts.#entries.set(entry.text, entry);
      if (entry.complete && !whole) options.logger.warn("artifact is damaged", { cid: entry.text });
      entry.complete &&= whole;
    }
    for (const hash of found.keys()) if (!kept.has(hash)) await files.remove(hash);
    return artifacts;
  }

  get usedBytes(): number {
    return this.#blocks.usedBytes;
  }

  async put(source: ByteSource, options: PutOptions = {}): Promise<ArtifactReport> {
    const hold: Hold = { hashes: new Set() };
    const { artifactBytesMax: bytesMax } = this.#options.limits;
    const leaves: string[] = [];
    let bytes = 0;
    try {
      for await (const chunk of cutChunks(source)) {
        if (options.signal?.aborted) throw new EasynetError("CANCELLED", { subject: "The artifact" });
        bytes += chunk.length;
        if (bytes > bytesMax) throw new EasynetError("ARTIFACT_TOO_LARGE", { bytesMax });
        const hash = hashOf(chunk);
        leaves.push(hash);
        await this.#blocks.add(hold, hash, chunk);
      }
      const { root, nodes } = buildTree(leaves, bytes);
      for (const node of nodes) await this.#blocks.add(hold, hashOf(node), node);
      await this.#blocks.sync();
      const entry = this.#entry(root, options);
      // Both may hold the same blocks: the entry takes them over, then this hold lets go.
      for (const hash of hold.hashes) this.#blocks.adopt(entry.hold, hash, 0);
      Object.assign(entry, { bytes, complete: true, pinned: entry.pinned || options.pin === true });
      entry.isPublic ||= options.public === true;
      await this.#save(entry);
      return reportOf(entry);
    } finally {
      this.#blocks.release(hold);
    }
  }

  get(text: string): ArtifactReport | undefined {
    const entry = this.#entries.get(formatCid(parseCid(text)));
    return entry && reportOf(entry);
  }

  list(): readonly ArtifactReport[] {
    return [...this.#entries.values()].map(reportOf);
  }

  async *read(text: string): AsyncGenerator<Uint8Array, void, void> {
    const entry = this.#known(text);
    if (!entry.complete) throw new EasynetError("ARTIFACT_NOT_FOUND", { cid: text });
    entry.users++;
    entry.usedAtMs = this.#options.clock.nowMs();
    try {
      const root = describeRoot(entry.cid, await this.#readWhole(entry, entry.cid.hash));
      yield* this.#readBelow(entry, root);
      await this.#save(entry);
    } finally {
      entry.users--;
    }
  }

  /** A block of any artifact here. */
  async block(hash: string): Promise<Uint8Array | undefined> {
    return this.#blocks.read(hash);
  }

  /** Whether a block belongs to an artifact that anybody may get. */
  isPublic(hash: string): boolean {
    this.#public ??= new Set(
      [...this.#entries.values()].flatMap(({ isPublic, hold }) => (isPublic ? [...hold.hashes] : [])),
    );
    return this.#public.has(hash);
  }

  /** Somebody else wants it too: for longer, or without an end. */
  async keep(text: string, options: KeepOptions): Promise<ArtifactReport> {
    const entry = this.#known(text);
    const before = entry.expiresAtMs;
    extend(entry, options);
    if (entry.expiresAtMs !== before) await this.#save(entry);
    return reportOf(entry);
  }

  /** Removes what came with messages that are over. */
  async expire(): Promise<void> {
    const nowMs = this.#options.clock.nowMs();
    for (const entry of this.#entries.values()) {
      const { expiresAtMs = Infinity, pinned, users, text } = entry;
      if (expiresAtMs <= nowMs && !pinned && users === 0) await this.remove(text);
    }
  }

  async pin(text: string, pinned: boolean): Promise<void> {
    const entry = this.#known(text);
    entry.pinned = pinned;
    if (pinned) entry.expiresAtMs = undefined;
    await this.#save(entry);
  }

  async remove(text: string): Promise<void> {
    const entry = this.#known(text);
    if (entry.users > 0) throw new EasynetError("ARTIFACT_BUSY", { cid: text });
    this.#entries.delete(entry.text);
    await this.#forget(entry);
    this.#blocks.release(entry.hold);
    await this.#blocks.settled();
  }

  /** Begins or goes on with what is not complete. */
  async arrive(cid: Cid, options: Pick<FetchOptions, "expiresAtMs" | "bytesMax"> = {}): Promise<Arrival> {
    const { bytesMax = Infinity } = options;
    const entry = this.#entry(cid, options);
    entry.users++;
    await this.#save(entry);
    const plan = new FetchPlan(cid, Math.min(bytesMax, this.#options.limits.artifactBytesMax));
    const known = { plan, entry };
    return {
      plan,
      add: async (hash, bytes) => {
        plan.take(hash, bytes);
        entry.bytes = plan.bytesTotal ?? 0;
        await this.#blocks.add(entry.hold, hash, bytes);
      },
      find: (hash) => this.#find(known, hash),
      finish: () => this.#finish(entry),
      stop: async (keep) => {
        entry.users--;
        if (!keep || entry.hold.hashes.size === 0) await this.remove(entry.text);
        else await this.#save(entry);
      },
    };
  }

  async #finish(entry: Entry): Promise<ArtifactReport> {
    await this.#blocks.sync();
    entry.users--;
    Object.assign(entry, { complete: true, usedAtMs: this.#options.clock.nowMs() });
    await this.#save(entry);
    return reportOf(entry);
  }

  async #find({ plan, entry }: { readonly plan: FetchPlan; readonly entry: Entry }, hash: string): Promise<boolean> {
    const size = this.#blocks.sizeOf(hash);
    if (size === undefined) return false;
    // Held before the wait: it could be let go of meanwhile.
    this.#blocks.adopt(entry.hold, hash, size);
    const block = await this.#blocks.read(hash);
    if (!block) {
      this.#blocks.drop(entry.hold, hash);
      return false;
    }
    plan.take(hash, block);
    entry.bytes = plan.bytesTotal ?? 0;
    return true;
  }

  #entry(cid: Cid, options: KeepOptions): Entry {
    const text = formatCid(cid);
    const known = this.#entries.get(text);
    if (known) {
      extend(known, options);
      return known;
    }
    if (this.#entries.size >= this.#options.limits.countMax && !this.#evictOne()) {
      throw new EasynetError("ARTIFACTS_FULL", { usedBytes: this.usedBytes });
    }
    const usedAtMs = this.#options.clock.nowMs();
    const entry = {
      cid,
      text,
      hold: { hashes: new Set<string>() },
      bytes: 0,
      complete: false,
      pinned: false,
      isPublic: false,
      usedAtMs,
      expiresAtMs: options.expiresAtMs,
      users: 0,
    };
    this.#entries.set(text, entry);
    return entry;
  }

  #known(text: string): Entry {
    const entry = this.#entries.get(formatCid(parseCid(text)));
    if (!entry) throw new EasynetError("ARTIFACT_NOT_FOUND", { cid: text });
    return entry;
  }

  async *#readBelow(entry: Entry, ref: BlockRef): AsyncGenerator<Uint8Array, void, void> {
    const block = await this.#readWhole(entry, ref.hash);
    if (ref.height === 0) yield block;
    else for (const child of decodeNode(block, ref)) yield* this.#readBelow(entry, child);
  }

  async #readWhole(entry: Entry, hash: string): Promise<Uint8Array> {
    const block = await this.#blocks.read(hash);
    if (block) return block;
    entry.complete = false;
    this.#blocks.drop(entry.hold, hash);
    await this.#save(entry);
    throw new EasynetError("ARTIFACT_DAMAGED", { cid: entry.text });
  }

  #makeRoom(bytes: number): boolean {
    while (this.usedBytes + bytes > this.#options.limits.storeBytesMax) if (!this.#evictOne()) return false;
    return true;
  }

  /** Removes the artifact that was not used for longest, of those not pinned, not in use and not owed to a message. */
  #evictOne(): boolean {
    const nowMs = this.#options.clock.nowMs();
    let oldest: Entry | undefined;
    for (const entry of this.#entries.values()) {
      if (entry.pinned || entry.users > 0 || (entry.expiresAtMs ?? 0) > nowMs) continue;
      if (!oldest || entry.usedAtMs < oldest.usedAtMs) oldest = entry;
    }
    if (!oldest) return false;
    this.#options.logger.info("artifact removed for room", { cid: oldest.text, bytes: oldest.bytes });
    this.#entries.delete(oldest.text);
    // A row that outlives its blocks is found without them at the next start, and goes then.
    this.#forget(oldest).catch((error: unknown) => this.#options.logger.warn("artifact row not removed", { error }));
    this.#blocks.release(oldest.hold);
    return true;
  }

  async #save(entry: Entry): Promise<void> {
    const { text, bytes, complete, pinned, usedAtMs, expiresAtMs, isPublic } = entry;
    if (isPublic) this.#public = undefined;
    const value = encodeValue([bytes, complete, pinned, usedAtMs, expiresAtMs ?? null, isPublic]);
    await this.#options.store.commit([{ kind: "put", space: SPACE, key: text, value }]);
  }

  async #forget({ text, isPublic }: Entry): Promise<void> {
    if (isPublic) this.#public = undefined;
    await this.#options.store.commit([{ kind: "delete", space: SPACE, key: text }]);
  }

  *#rows(): Generator<Entry, void, void> {
    const { store } = this.#options;
    let page = store.list(SPACE, { limit: PAGE_COUNT });
    while (page.length > 0) {
      for (const { key, value } of page) {
        const entry = entryOf(key, value);
        if (entry) yield entry;
      }
      page = store.list(SPACE, { limit: PAGE_COUNT, after: page.at(-1)?.key ?? "" });
    }
  }

  /** Holds what is there of an artifact; true when that is all of it. */
  async #recover(
    entry: Entry,
    disk: { readonly files: BlockFiles; readonly found: ReadonlyMap<string, number> },
  ): Promise<boolean> {
    const plan = new FetchPlan(entry.cid, Number.MAX_SAFE_INTEGER);
    let missing = false;
    for (let hash = plan.next(); hash !== undefined; hash = plan.next()) {
      const size = disk.found.get(hash);
      const unread = size !== undefined && plan.takesUnread(hash, size);
      const block = unread || size === undefined ? undefined : await disk.files.read(hash);
      if (size === undefined || (!unread && !block)) {
        missing = true;
        continue;
      }
      this.#blocks.adopt(entry.hold, hash, size);
      if (block) plan.take(hash, block);
      else plan.takeUnread(hash);
    }
    return !missing;
  }
}

function entryOf(text: string, value: Uint8Array): Entry | undefined {
  try {
    const fields = decodeValue(value);
    if (!Array.isArray(fields)) return undefined;
    const [bytes, complete, pinned, usedAtMs, expires, open]: readonly unknown[] = fields;
    if (typeof bytes !== "number" || typeof usedAtMs !== "number") return undefined;
    const expiresAtMs = typeof expires === "number" ? expires : undefined;
    const state = {
      complete: complete === true,
      pinned: pinned === true,
      isPublic: open === true,
      users: 0,
      expiresAtMs,
    };
    return { cid: parseCid(text), text, hold: { hashes: new Set() }, bytes, usedAtMs, ...state };
  } catch {
    return undefined;
  }
}

/** Whoever keeps it longest decides. */
function extend(entry: Entry, { expiresAtMs }: KeepOptions): void {
  if (entry.expiresAtMs === undefined) return;
  entry.expiresAtMs = expiresAtMs === undefined ? undefined : Math.max(entry.expiresAtMs, expiresAtMs);
}

function reportOf({ text, bytes, pinned, complete, usedAtMs, expiresAtMs, isPublic }: Entry): ArtifactReport {
  const rest = { ...(isPublic && { public: true as const }), ...(expiresAtMs !== undefined && { expiresAtMs }) };
  return { cid: text, bytes, pinned, complete, usedAtMs, ...rest };
}
