import type { Did } from "../../identity/index.ts";
import { EasynetError, isEasynetError, startDeadline } from "../../kernel/index.ts";
import { parseToken, formatToken } from "../clocks/index.ts";
import type { Directory } from "../types.ts";
import { checkKey, checkName, checkWhole, invalid, specFrom } from "./checks.ts";
import { isTombstone, type Merged } from "./entry-core.ts";
import { SPACES_COUNT_MAX, WAITING_COUNT_MAX } from "./limits.ts";
import { type Deciding, Majority, revisionOf } from "./majority.ts";
import { OpenSpaces, type OpenSpacesOptions } from "./open-spaces.ts";
import { type Replica, tooStale } from "./replica.ts";
import { resolveSiblings } from "./rules-core.ts";
import type {
  Backup,
  BackupEntry,
  Change,
  DistributedState,
  MergeRule,
  Reading,
  ReadOptions,
  SharedState,
  SpaceDeclaration,
  SpaceReport,
  SpaceSpec,
  StateEvent,
  Version,
  WriteOptions,
  WriteReceipt,
} from "./types.ts";
import { DEFAULT_SPACE } from "./types.ts";
import { Watchers } from "./watchers.ts";

export interface SharedStateOptions extends Omit<OpenSpacesOptions, "onMerged"> {
  /** Which members there are, for bounded reads of spaces that everyone keeps. */
  readonly directory: Pick<Directory, "nodes">;
  /** Decides linearizable reads and writes; without it they are refused. */
  readonly critical?: Deciding | undefined;
}

/** Shared state that runs. */
export interface RunningState extends SharedState {
  start(): void;
  stop(): void;
}

/** Spaces over `mesh`, kept in `store`; claims the frame types of state. */
export function createSharedState(options: SharedStateOptions): RunningState {
  return new MeshState(options);
}

export const DEFAULT_SPACE_NAME = "default";
/** The space whose entries are the declarations of the others. */
const DECLARATIONS = "_spaces";
const TIMEOUT_MS = 5000;
const STALENESS_MS = 1000;
const LIST_COUNT_MAX = 1000;

class MeshState implements RunningState {
  readonly #options: SharedStateOptions;
  readonly #open: OpenSpaces;
  readonly #watchers: Watchers;
  readonly #majority: Majority;
  readonly #specs = new Map<string, SpaceSpec>();
  readonly #stopped = new AbortController();

  constructor(options: SharedStateOptions) {
    this.#options = options;
    this.#watchers = new Watchers(options.logger);
    this.#majority = new Majority(options.critical);
    this.#open = new OpenSpaces({ ...options, onMerged: (space, merged) => this.#onMerged(space, merged) });
  }

  start(): void {
    const declarations = this.#open.open(DECLARATIONS, DEFAULT_SPACE);
    this.#take(DEFAULT_SPACE_NAME, DEFAULT_SPACE);
    for (const { key } of declarations.core.entries()) this.#onDeclared(key);
  }

  stop(): void {
    this.#stopped.abort(new EasynetError("NODE_STOPPING", {}));
    this.#open.stop();
  }

  async declare(name: string, spec: SpaceDeclaration = {}): Promise<SpaceReport> {
    checkName(name);
    const declared = specFrom(spec);
    const declarations = this.#replica(DECLARATIONS);
    if (name === DEFAULT_SPACE_NAME) throw invalid("The name of a space", "default is always there as it is");
    if (!this.#specs.has(name) && this.#specs.size >= SPACES_COUNT_MAX) {
      throw new EasynetError("SPACE_FULL", { space: "of declarations", limit: `${SPACES_COUNT_MAX} spaces` });
    }
    if (JSON.stringify(this.#specs.get(name)) !== JSON.stringify(declared)) {
      await declarations.write(name, { kind: "put", value: declared });
    }
    return this.#report(name, declared);
  }

  spaces(): readonly SpaceReport[] {
    return Array.from(this.#specs, ([name, spec]) => this.#report(name, spec));
  }

  async get(key: string, options: ReadOptions = {}): Promise<Reading> {
    checkKey(key);
    const replica = this.#replica(options.space);
    switch (options.consistency ?? "local") {
      case "local":
        break;
      case "session":
        await this.#atLeast(replica, options);
        break;
      case "bounded":
        await this.#noOlder(replica, options);
        break;
      case "linearizable": {
        const value = await this.#majority.read(replica, key, options.signal);
        const { versions, token } = this.#read(replica, key);
        return { key, found: value !== undefined, value, versions, conflict: false, token };
      }
    }
    return this.#read(replica, key);
  }

  put(key: string, value: unknown, options?: WriteOptions): Promise<WriteReceipt> {
    return this.write(key, { kind: "put", value }, options);
  }

  delete(key: string, options?: WriteOptions): Promise<WriteReceipt> {
    return this.write(key, { kind: "delete" }, options);
  }

  async write(key: string, change: Change, options: WriteOptions = {}): Promise<WriteReceipt> {
    checkKey(key);
    const replica = this.#replica(options.space);
    if (options.consistency === "linearizable") {
      const revision = await this.#majority.write(replica, { key, change, signal: options.signal });
      return { key, token: formatToken(replica.core.vector), revision };
    }
    if (revisionOf(replica, key) > 0) {
      throw invalid(`The key ${key}`, "it is written through the majority: write it with consistency linearizable");
    }
    await replica.write(key, change, { resolve: options.resolve === true });
    return { key, token: formatToken(replica.core.vector) };
  }

  list(options: Parameters<SharedState["list"]>[0] = {}): readonly Reading[] {
    const { prefix = "", after = "", limit = LIST_COUNT_MAX } = options;
    checkWhole(limit, { subject: "The limit", least: 1, most: LIST_COUNT_MAX });
    const replica = this.#replica(options.space);
    const keys = keysOf(replica).filter((key) => key.startsWith(prefix) && key > after);
    return keys.slice(0, limit).map((key) => this.#read(replica, key));
  }

  watch(filter: Parameters<SharedState["watch"]>[0], listener: (event: StateEvent) => void): Disposable {
    const { name } = this.#replica(filter.space).core;
    return this.#watchers.add({ ...filter, space: name }, listener);
  }

  history(key: string, options: { readonly space?: string } = {}): readonly Version[] {
    checkKey(key);
    const { rows, core } = this.#replica(options.space);
    return rows.history(key, core.spec.historyMax);
  }

  async sync(options: { readonly space?: string; readonly timeoutMs?: number } = {}): Promise<SpaceReport> {
    const replica = this.#replica(options.space);
    await this.#hear(replica, this.#open.linked(replica), { ...options, stalenessMs: 0 });
    return this.#report(replica.core.name, replica.core.spec);
  }

  async record(key: string, options: ReadOptions = {}): Promise<DistributedState> {
    const { value, versions } = await this.get(key, options);
    const replica = this.#replica(options.space);
    const { core } = replica;
    return {
      stateId: `${core.name}/${key}`,
      agentId: versions[0]?.writer ?? "",
      version: versions[0]?.counter ?? 0,
      vectorClock: Object.fromEntries(versions.map(({ writer, counter }) => [writer, counter])),
      data: value,
      replicas: [this.#options.mesh.self, ...this.#others(replica)].sort(),
      consistencyLevel: options.consistency ?? "local",
    };
  }

  backup(options: { readonly space?: string } = {}): Backup {
    const replica = this.#replica(options.space);
    const { merge } = replica.core.spec;
    const entries = keysOf(replica).map((key): BackupEntry => {
      const { value, versions, conflict } = this.#read(replica, key);
      return { key, value, ...(conflict && { alternatives: versions.slice(1).map((version) => version.value) }) };
    });
    return { space: replica.core.name, merge, takenAtMs: this.#options.clock.nowMs(), entries };
  }

  async restore(backup: Backup, options: { readonly space?: string } = {}): Promise<number> {
    const space = options.space ?? backup.space;
    const { merge } = this.#replica(space).core.spec;
    if (merge !== backup.merge) throw invalid("The backup", `it is of a space that merges by ${backup.merge}`);
    // All at once: they share the commits.
    await Promise.all(backup.entries.map((entry) => this.#restore(entry, space, merge)));
    return backup.entries.length;
  }

  async #restore({ key, value, alternatives = [] }: BackupEntry, space: string, merge: MergeRule): Promise<void> {
    if (merge === "set") {
      const elements: readonly unknown[] = Array.isArray(value) ? value : [];
      await Promise.all(elements.map((element) => this.write(key, { kind: "add", element }, { space })));
    } else if (merge === "counter") {
      const { value: now } = this.#read(this.#replica(space), key);
      await this.write(key, { kind: "increment", by: Number(value) - Number(now ?? 0) }, { space });
    } else {
      // A larger number that is there now would stay.
      if (merge === "max") await this.delete(key, { space });
      await this.write(key, { kind: "put", value }, { space, resolve: true });
      const replica = this.#replica(space);
      for (const each of alternatives) await replica.write(key, { kind: "put", value: each }, { beside: true });
    }
  }

  #read(replica: Replica, key: string): Reading {
    const { core } = replica;
    const { found, value, versions, conflict } = resolveSiblings(core.spec.merge, core.get(key)?.siblings ?? []);
    return { key, found, ...(found && { value }), versions, conflict, token: formatToken(core.vector) };
  }

  /** Waits until this replica knows what the token stands for. */
  async #atLeast(replica: Replica, { token, timeoutMs, signal }: ReadOptions): Promise<void> {
    if (token === undefined) throw invalid("The consistency", "session needs the token of an earlier read or write");
    const wanted = parseToken(token);
    const isEnough = (): boolean => replica.core.vector.dominates(wanted);
    if (isEnough()) return;
    for (const did of this.#open.linked(replica)) replica.ask(did);
    await this.#wait(replica, { isEnough, timeoutMs, signal, missing: () => this.#others(replica) });
  }

  /** Waits until every replica was heard that recently. */
  async #noOlder(replica: Replica, options: ReadOptions): Promise<void> {
    const stalenessMs = options.stalenessMs ?? STALENESS_MS;
    checkWhole(stalenessMs, { subject: "The staleness", least: 0, most: 86_400_000 });
    await this.#hear(replica, this.#others(replica), { ...options, stalenessMs });
  }

  async #hear(
    replica: Replica,
    from: readonly Did[],
    options: Pick<ReadOptions, "timeoutMs" | "signal"> & { readonly stalenessMs: number },
  ): Promise<void> {
    const sinceMs = this.#options.clock.monotonicMs() - options.stalenessMs;
    const missing = (): Did[] => from.filter((did) => (replica.heardMs.get(did) ?? -Infinity) < sinceMs);
    const linked = new Set(this.#open.linked(replica));
    // Who is out of reach cannot answer in time: refused at once, so that the caller can choose another level.
    const unreachable = missing().filter((did) => !linked.has(did));
    if (unreachable.length > 0) throw tooStale(replica.core.name, unreachable);
    // An answer to what was asked before that is not enough: then it is asked once more.
    const isEnough = (): boolean => {
      const still = missing();
      for (const did of still) replica.ask(did);
      return still.length === 0;
    };
    await this.#wait(replica, { isEnough, missing, ...options });
  }

  async #wait(
    replica: Replica,
    {
      isEnough,
      missing,
      timeoutMs = TIMEOUT_MS,
      signal,
    }: {
      readonly isEnough: () => boolean;
      readonly missing: () => readonly Did[];
      readonly timeoutMs?: number | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<void> {
    checkWhole(timeoutMs, { subject: "The timeout", least: 1, most: 600_000 });
    if (isEnough()) return;
    if (replica.waitingCount >= WAITING_COUNT_MAX) {
      throw new EasynetError("OVERLOADED", { subject: "Shared state", queued: replica.waitingCount });
    }
    const { clock } = this.#options;
    const signals = [this.#stopped.signal, ...(signal ? [signal] : [])];
    using deadline = startDeadline({
      clock,
      timeoutMs,
      subject: replica.core.name,
      signal: AbortSignal.any(signals),
    });
    try {
      await replica.until(isEnough, deadline.signal);
    } catch (error) {
      if (isEasynetError(error, "DEADLINE_EXCEEDED")) throw tooStale(replica.core.name, missing());
      throw error;
    }
  }

  /** The other replicas: those that are named, or the members that are there. */
  #others({ core }: Replica): Did[] {
    const { directory, mesh } = this.#options;
    const { replicas } = core.spec;
    const all =
      replicas === "everyone"
        ? directory
            .nodes()
            .filter(({ status }) => status !== "dead" && status !== "left")
            .map(({ did }) => did)
        : replicas;
    return all.filter((did) => did !== mesh.self);
  }

  #report(name: string, spec: SpaceSpec): SpaceReport {
    const replica = this.#open.get(name);
    const { entries, bytes, tombstones } = replica?.core.counts ?? { entries: 0, bytes: 0, tombstones: 0 };
    const linked = replica ? this.#open.linked(replica) : [];
    const others = replica ? this.#others(replica) : [];
    return {
      ...spec,
      name,
      entries,
      bytes,
      tombstones,
      token: replica ? formatToken(replica.core.vector) : "",
      reachable: replica ? [this.#options.mesh.self, ...linked].sort() : [],
      unreachable: others.filter((did) => !linked.includes(did)).sort(),
    };
  }

  #replica(name: string = DEFAULT_SPACE_NAME): Replica {
    const replica = this.#open.get(name);
    if (replica) return replica;
    const spec = this.#specs.get(name);
    if (!spec) throw new EasynetError("SPACE_UNKNOWN", { space: name });
    throw new EasynetError("NOT_A_REPLICA", { space: name, replicas: namesOf(spec) });
  }

  #onMerged(space: string, merged: Merged): void {
    if (space === DECLARATIONS) {
      this.#onDeclared(merged.entry.key);
      return;
    }
    const spec = this.#specs.get(space);
    if (spec) this.#watchers.tell(space, spec.merge, merged);
  }

  /** A declaration came, from here or from elsewhere. One that is none is ignored: the space stays what it was. */
  #onDeclared(name: string): void {
    const { siblings } = this.#replica(DECLARATIONS).core.get(name) ?? { siblings: [] };
    const { found, value } = resolveSiblings("last-writer", siblings);
    if (!found || (!this.#specs.has(name) && this.#specs.size >= SPACES_COUNT_MAX)) return;
    try {
      checkName(name);
      if (name !== DEFAULT_SPACE_NAME) this.#take(name, specFrom(value));
    } catch (error) {
      if (!isEasynetError(error)) throw error;
      this.#options.logger.warn("a declaration of a space was refused", { space: name, reason: error.message });
    }
  }

  #take(name: string, spec: SpaceSpec): void {
    this.#specs.set(name, spec);
    const isOurs = spec.replicas === "everyone" || spec.replicas.includes(this.#options.mesh.self);
    const replica = this.#open.get(name);
    if (replica) replica.core.spec = spec;
    if (isOurs && !replica) this.#open.open(name, spec);
    if (!isOurs && replica) this.#open.close(name);
  }
}

function namesOf({ replicas }: SpaceSpec): string {
  return replicas === "everyone" ? replicas : replicas.slice(0, 5).join(", ");
}

function keysOf({ core }: Replica): string[] {
  const live = [...core.entries()].filter((entry) => !isTombstone(entry)).map(({ key }) => key);
  return live.sort();
}
