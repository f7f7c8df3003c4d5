import { BoundedQueue, EasynetError } from "../kernel/index.ts";
import type { EasynetNode } from "../node/index.ts";
import { reviveJson, stringifyJson } from "../node/index.ts";
import {
  type Backup,
  type Change,
  DEFAULT_SPACE_NAME,
  type DistributedState,
  type Reading,
  type ReadOptions,
  type SpaceDeclaration,
  type SpaceReport,
  type StateEvent,
  type Version,
  type WriteOptions,
  type WriteReceipt,
} from "../state/index.ts";
import { answerOf, type LocalApi, requestOverHttp } from "./over-http.ts";

/** Which keys to watch: one, those that begin so, or all of the space. */
export interface WatchOptions {
  readonly space?: string;
  readonly key?: string;
  readonly prefix?: string;
  readonly signal?: AbortSignal;
}

/**
 * Named maps that members share. Each call says how consistent it must be (docs/state.md).
 *
 * ```ts
 * const { token } = await client.state.put("plan", { step: 1 });
 * const { value } = await client.state.get("plan", { consistency: "session", token });
 * ```
 */
export interface StateAccess {
  /** Makes a space, or changes what it is, for all members. @throws {EasynetError} INVALID_ARGUMENT, SPACE_FULL */
  declare(name: string, spec?: SpaceDeclaration): Promise<SpaceReport>;
  spaces(): Promise<readonly SpaceReport[]>;
  /** @throws {EasynetError} SPACE_UNKNOWN, NOT_A_REPLICA, STATE_TOO_STALE, NO_MAJORITY, CONSISTENCY_UNAVAILABLE */
  get(key: string, options?: ReadOptions): Promise<Reading>;
  /** Resolves when it is on the node's disk. @throws {EasynetError} SPACE_FULL, STATE_CONFLICT, NO_MAJORITY, … */
  put(key: string, value: unknown, options?: WriteOptions): Promise<WriteReceipt>;
  delete(key: string, options?: WriteOptions): Promise<WriteReceipt>;
  /** Adds to a set, increments a counter, and what `put` and `delete` do. @throws {EasynetError} as `put` */
  write(key: string, change: Change, options?: WriteOptions): Promise<WriteReceipt>;
  /** Keys with their values, in order; at most 1,000 after `after`. */
  list(options?: {
    readonly space?: string;
    readonly prefix?: string;
    readonly after?: string;
    readonly limit?: number;
  }): Promise<readonly Reading[]>;
  /** Changes from now on, until the loop is left. A reader that falls 10,000 behind is told BACKPRESSURE. */
  watch(options?: WatchOptions): AsyncGenerator<StateEvent, void, void>;
  /** The latest first, as many as the space keeps. */
  history(key: string, options?: { readonly space?: string }): Promise<readonly Version[]>;
  /** Asks every replica in reach for what is missing on the node. @throws {EasynetError} STATE_TOO_STALE */
  sync(options?: { readonly space?: string }): Promise<SpaceReport>;
  /** A key as one record: who wrote it, its vector clock, its replicas. */
  record(key: string, options?: ReadOptions): Promise<DistributedState>;
  backup(options?: { readonly space?: string }): Promise<Backup>;
  /** Writes every entry anew, over what is there. @returns how many */
  restore(backup: Backup, options?: { readonly space?: string }): Promise<number>;
}

/** Changes that wait for a reader. */
const EVENTS_COUNT_MAX = 10_000;

export function stateOfNode({ state }: EasynetNode): StateAccess {
  return {
    declare: (...given) => state.declare(...given),
    spaces: async () => state.spaces(),
    get: (...given) => state.get(...given),
    put: (...given) => state.put(...given),
    delete: (...given) => state.delete(...given),
    write: (...given) => state.write(...given),
    list: async (options) => state.list(options),
    async *watch({ signal, ...filter } = {}) {
      const queue = new BoundedQueue<StateEvent>(EVENTS_COUNT_MAX);
      using _subscription = state.watch(filter, (event) => {
        if (!queue.push(event)) queue.end(new EasynetError("BACKPRESSURE", backlog));
      });
      const end = (): void => queue.end();
      signal?.addEventListener("abort", end, { once: true });
      if (signal?.aborted) end();
      try {
        yield* queue;
      } finally {
        signal?.removeEventListener("abort", end);
      }
    },
    history: async (...given) => state.history(...given),
    sync: (...given) => state.sync(...given),
    record: (...given) => state.record(...given),
    backup: async (options) => state.backup(options),
    restore: (...given) => state.restore(...given),
  };
}

const backlog = { peer: "this process", bytes: EVENTS_COUNT_MAX, lane: "state" };

export function stateOverHttp(api: LocalApi): StateAccess {
  const http = new StateHttp(api);
  const write: StateAccess["write"] = async (key, change, { space, signal, ...manner } = {}) => {
    const body = { key, change, ...manner };
    return checked(await http.send("POST", pathOf(space, "value"), { body, signal }), isReceipt);
  };
  return {
    declare: async (name, spec = {}) => checked(await http.send("PUT", pathOf(name), { body: spec }), isReport),
    spaces: async () => checked(await http.get("/api/state"), hasSpaces).spaces,
    get: async (key, { space, signal, ...how } = {}) =>
      checked(await http.get(pathOf(space, "value"), { key, ...how }, signal), isReading),
    put: (key, value, options) => write(key, { kind: "put", value }, options),
    delete: (key, options) => write(key, { kind: "delete" }, options),
    write,
    list: async ({ space, ...page } = {}) => checked(await http.get(pathOf(space, "keys"), page), hasEntries).entries,
    async *watch({ space, signal, ...filter } = {}) {
      yield* http.events(pathOf(space, "events"), filter, signal);
    },
    history: async (key, { space } = {}) =>
      checked(await http.get(pathOf(space, "history"), { key }), hasVersions).versions,
    sync: async ({ space } = {}) => checked(await http.send("POST", pathOf(space, "sync"), {}), isReport),
    record: async (key, { space, signal, ...how } = {}) =>
      checked(await http.get(pathOf(space, "record"), { key, ...how }, signal), isRecord),
    backup: async ({ space } = {}) => checked(await http.get(pathOf(space, "backup")), isBackup),
    restore: async (backup, { space = backup.space } = {}) =>
      checked(await http.send("POST", pathOf(space, "restore"), { body: backup }), hasRestored).restored,
  };
}

/** The same through an access that is opened with the first call. */
export function stateThrough(open: () => Promise<StateAccess>): StateAccess {
  return {
    declare: async (...given) => (await open()).declare(...given),
    spaces: async () => (await open()).spaces(),
    get: async (...given) => (await open()).get(...given),
    put: async (...given) => (await open()).put(...given),
    delete: async (...given) => (await open()).delete(...given),
    write: async (...given) => (await open()).write(...given),
    list: async (...given) => (await open()).list(...given),
    async *watch(...given) {
      yield* (await open()).watch(...given);
    },
    history: async (...given) => (await open()).history(...given),
    sync: async (...given) => (await open()).sync(...given),
    record: async (...given) => (await open()).record(...given),
    backup: async (...given) => (await open()).backup(...given),
    restore: async (...given) => (await open()).restore(...given),
  };
}

class StateHttp {
  readonly #api: LocalApi;

  constructor(api: LocalApi) {
    this.#api = api;
  }

  async get(path: string, query: object = {}, signal?: AbortSignal): Promise<unknown> {
    const answer = await requestOverHttp(this.#api, path + searchOf(query), { ...(signal && { signal }) });
    return reviveJson(await answerOf(answer));
  }

  async send(
    method: "POST" | "PUT",
    path: string,
    { body, signal }: { readonly body?: unknown; readonly signal?: AbortSignal | undefined },
  ): Promise<unknown> {
    const json = body !== undefined && {
      body: stringifyJson(body),
      headers: { "content-type": "application/json" },
    };
    const answer = await requestOverHttp(this.#api, path, { method, ...json, ...(signal && { signal }) });
    return reviveJson(await answerOf(answer));
  }

  async *events(path: string, query: object, signal?: AbortSignal): AsyncGenerator<StateEvent, void, void> {
    const stop = new AbortController();
    const signals = AbortSignal.any([stop.signal, ...(signal ? [signal] : [])]);
    const answer = await requestOverHttp(this.#api, path + searchOf(query), { signal: signals });
    if (!answer.ok || !answer.body) {
      await answerOf(answer);
      return;
    }
    let text = "";
    const decoder = new TextDecoder();
    try {
      for await (const part of answer.body) {
        text += decoder.decode(part, { stream: true });
        const blocks = text.split("\n\n");
        text = blocks.pop() ?? "";
        for (const block of blocks) {
          const data = /^data: (.*)$/m.exec(block)?.[1];
          const event: unknown = data === undefined ? undefined : reviveJson(JSON.parse(data));
          if (isEvent(event)) yield event;
        }
      }
    } catch (cause) {
      if (!signals.aborted) throw new EasynetError("NODE_NOT_RUNNING", { home: this.#api.url }, { cause });
    } finally {
      stop.abort();
    }
  }
}

function pathOf(space: string = DEFAULT_SPACE_NAME, what?: string): string {
  return `/api/state/${encodeURIComponent(space)}${what === undefined ? "" : `/${what}`}`;
}

function searchOf(query: object): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? "" : `?${search.toString()}`;
}

function checked<Value>(value: unknown, is: (value: unknown) => value is Value): Value {
  if (is(value)) return value;
  throw new EasynetError("INTERNAL", { reason: "the node sent something else than was asked for" });
}

function has(value: unknown, ...names: readonly string[]): boolean {
  return typeof value === "object" && value !== null && names.every((name) => name in value);
}

const isReceipt = (value: unknown): value is WriteReceipt => has(value, "key", "token");
const isReport = (value: unknown): value is SpaceReport => has(value, "name", "merge", "token");
const isReading = (value: unknown): value is Reading => has(value, "key", "found", "versions");
const isRecord = (value: unknown): value is DistributedState => has(value, "stateId", "vectorClock");
const isBackup = (value: unknown): value is Backup => has(value, "space", "merge", "entries");
const isEvent = (value: unknown): value is StateEvent => has(value, "space", "key", "found", "writer");
const hasSpaces = (value: unknown): value is { readonly spaces: readonly SpaceReport[] } => has(value, "spaces");
const hasEntries = (value: unknown): value is { readonly entries: readonly Reading[] } => has(value, "entries");
const hasVersions = (value: unknown): value is { readonly versions: readonly Version[] } => has(value, "versions");
const hasRestored = (value: unknown): value is { readonly restored: number } => has(value, "restored");
