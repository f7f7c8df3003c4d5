import { EasynetError } from "../../kernel/index.ts";
import { checkOperation, checkPrefix, checkQuery } from "./checks.ts";
import { LIST_COUNT_MAX, QUOTA_BYTES_MAX } from "./limits.ts";
import type { Operation, Query, QueryAnswer, Reply } from "./operations.ts";
import type {
  AcquireLease,
  CallOptions,
  CompareAndSet,
  CriticalEntry,
  CriticalEvent,
  CriticalStore,
  Lease,
  LeaseOutcome,
  ListOptions,
  SetOutcome,
} from "./types.ts";

/** Who carries operations out: a group, or the twin in memory. */
export interface Executor {
  /** What it is, for sentences of errors. */
  readonly subject: string;
  execute(operation: Operation, options: CallOptions): Promise<Reply>;
  query(query: Query, options: CallOptions): Promise<QueryAnswer>;
  keepAlive(lease: Lease, options: CallOptions): Promise<boolean>;
  watch(prefix: string, listener: (event: CriticalEvent) => void): Promise<Disposable>;
}

/** The port over replicated operations: checks, and answers in the words of the port. */
export class OperationStore implements CriticalStore {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  async get(key: string, options: CallOptions = {}): Promise<CriticalEntry | undefined> {
    return (await this.#entries({ kind: "get", key }, options))[0];
  }

  async list(
    prefix: string,
    { after, limit = LIST_COUNT_MAX, signal }: ListOptions = {},
  ): Promise<readonly CriticalEntry[]> {
    return this.#entries({ kind: "list", prefix, after, limit }, { signal });
  }

  async put(key: string, value: Uint8Array, options: CallOptions = {}): Promise<number> {
    const reply = await this.#execute({ kind: "put", key, value: value.slice() }, options);
    return reply.kind === "written" ? reply.revision : this.#unexpected(reply);
  }

  async delete(key: string, options: CallOptions = {}): Promise<boolean> {
    const reply = await this.#execute({ kind: "delete", key }, options);
    return reply.kind === "removed" ? reply.found : this.#unexpected(reply);
  }

  async compareAndSet({ key, revision, value }: CompareAndSet, options: CallOptions = {}): Promise<SetOutcome> {
    const reply = await this.#execute({ kind: "set", key, revision, value: value?.slice() }, options);
    if (reply.kind === "unchanged") return { done: false, current: reply.current };
    return reply.kind === "written" ? { done: true, revision: reply.revision } : this.#unexpected(reply);
  }

  async add(key: string, by: number, options: CallOptions = {}): Promise<number> {
    const reply = await this.#execute({ kind: "add", key, by }, options);
    return reply.kind === "sum" ? reply.sum : this.#unexpected(reply);
  }

  async acquire(request: AcquireLease, options: CallOptions = {}): Promise<LeaseOutcome> {
    const reply = await this.#execute({ kind: "acquire", ...request }, options);
    if (reply.kind === "granted") return { granted: true, lease: reply.lease };
    return reply.kind === "held" ? { granted: false, holder: reply.lease } : this.#unexpected(reply);
  }

  async keepAlive(lease: Lease, options: CallOptions = {}): Promise<boolean> {
    checkOperation({ kind: "release", resource: lease.resource, token: lease.token });
    return this.#executor.keepAlive(lease, options);
  }

  async release({ resource, token }: Lease, options: CallOptions = {}): Promise<boolean> {
    const reply = await this.#execute({ kind: "release", resource, token }, options);
    return reply.kind === "removed" ? reply.found : this.#unexpected(reply);
  }

  async holder(resource: string, options: CallOptions = {}): Promise<Lease | undefined> {
    const query: Query = { kind: "holder", resource };
    checkQuery(query);
    const answer = await this.#executor.query(query, options);
    return answer.kind === "lease" ? answer.lease : undefined;
  }

  async watch(prefix: string, listener: (event: CriticalEvent) => void): Promise<Disposable> {
    checkPrefix(prefix);
    return this.#executor.watch(prefix, listener);
  }

  async #entries(query: Query, options: CallOptions): Promise<readonly CriticalEntry[]> {
    checkQuery(query);
    options.signal?.throwIfAborted();
    const answer = await this.#executor.query(query, options);
    return answer.kind === "entries" ? answer.entries : [];
  }

  async #execute(operation: Operation, options: CallOptions): Promise<Reply> {
    checkOperation(operation);
    options.signal?.throwIfAborted();
    return this.#executor.execute(operation, options);
  }

  #unexpected(reply: Reply): never {
    const { subject } = this.#executor;
    if (reply.kind === "full") throw new EasynetError("QUOTA_EXCEEDED", { group: subject, bytesMax: QUOTA_BYTES_MAX });
    if (reply.kind === "invalid") {
      throw new EasynetError("INVALID_ARGUMENT", { subject: "The key", reason: reply.reason });
    }
    const reason = "it was carried out, and its answer is not kept any more";
    throw new EasynetError("OUTCOME_UNKNOWN", { subject: "The operation", reason });
  }
}
