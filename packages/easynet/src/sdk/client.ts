import { isEasynetError } from "../kernel/index.ts";
import { Call, type CallOptions } from "./call.ts";
import type { TaskReport } from "../messaging/index.ts";
import type { RoutedEvent } from "../routing/index.ts";
import type { FoundOffer } from "../gateway/index.ts";
import { type FindQuery, parseQuery } from "../state/index.ts";
import type { ArtifactAccess } from "./artifact-access.ts";
import type { NodeAccess } from "./node-access.ts";
import { type NodeOptions, openAccess } from "./open-access.ts";
import { type StateAccess, stateThrough } from "./state-access.ts";

/**
 * Calls what the network offers, from any process. It uses the node of this machine, or starts one in this process
 * when none runs.
 *
 * ```ts
 * const client = new Client();
 * const sum = await client.execute("add", 1, 2);
 * ```
 */
export class Client implements AsyncDisposable {
  /** Large data by content address. */
  readonly artifacts: ArtifactAccess = {
    put: async (...given) => (await this.#open()).artifacts.put(...given),
    get: (...given) => this.#getArtifact(...given),
    list: async () => (await this.#open()).artifacts.list(),
    remove: async (cid) => (await this.#open()).artifacts.remove(cid),
  };
  /** Named maps that members share. */
  readonly state: StateAccess = stateThrough(async () => (await this.#open()).state);
  readonly #options: NodeOptions;
  #access: Promise<NodeAccess> | undefined;

  constructor(options: NodeOptions = {}) {
    this.#options = options;
  }

  /**
   * Calls a function with positional arguments and resolves with what it returned. Nothing is cached.
   * @throws {EasynetError} NO_CAPABLE_AGENT, INPUT_INVALID, FUNCTION_FAILED, PROVIDER_LOST, DEADLINE_EXCEEDED, …
   */
  async execute<Value = unknown>(capability: string, ...args: readonly unknown[]): Promise<Value> {
    const { value } = await this.call<Value>(capability, { args }).result();
    return value;
  }

  /** The items of a streaming function, as they come; leaving the loop early cancels the call. */
  stream(capability: string, ...args: readonly unknown[]): AsyncIterable<unknown> {
    return this.call(capability, { args });
  }

  /** A call with named arguments, a deadline, a budget, a target …; read its result or its events. */
  call<Value = unknown>(capability: string, options: CallOptions = {}): Call<Value> {
    const { args = [], kwargs = {}, signal, ...rest } = options;
    const controller = new AbortController();
    const abort = (): void => controller.abort(signal?.reason);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
    const open = (): Promise<NodeAccess> => this.#open();
    async function* events(): AsyncGenerator<RoutedEvent, void, void> {
      try {
        const access = await open();
        yield* access.call({ ...rest, capability, input: { args, kwargs } }, { signal: controller.signal });
      } finally {
        // One signal may serve thousands of calls; each must let go of it.
        signal?.removeEventListener("abort", abort);
      }
    }
    return new Call<Value>(capability, events(), controller);
  }

  /**
   * What the network offers that fits, as text or as an object; all conditions must hold.
   *
   * ```ts
   * await client.find("capability:ocr lang:zh price<0.1 gpu:true tag:fast");
   * ```
   * @throws {EasynetError} QUERY_INVALID with the place of the mistake
   */
  async find(query: string | FindQuery): Promise<readonly FoundOffer[]> {
    const parsed = typeof query === "string" ? parseQuery(query) : query;
    return (await this.#open()).find(parsed);
  }

  /**
   * State and outcome of a stored task: a call of a capability with effects, by the id that it was given or got. Also
   * after this program or its node was restarted.
   *
   * ```ts
   * const { state, value } = await client.task("order-4711");
   * ```
   * @throws {EasynetError} TASK_FORGOTTEN when this machine never asked for it, or its outcome is no longer kept
   */
  async task(id: string): Promise<TaskReport> {
    return (await this.#open()).task(id);
  }

  /** Reaches the node now instead of at the first call. @throws {EasynetError} as {@link Client.execute} */
  async connect(): Promise<{ readonly did: string; readonly name: string; readonly embedded: boolean }> {
    const { did, name, embedded } = await this.#open();
    return { did, name, embedded };
  }

  async close(): Promise<void> {
    const access = this.#access;
    this.#access = undefined;
    try {
      await (await access)?.close();
    } catch (error) {
      if (!isEasynetError(error)) throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async *#getArtifact(...given: Parameters<ArtifactAccess["get"]>): AsyncGenerator<Uint8Array, void, void> {
    yield* (await this.#open()).artifacts.get(...given);
  }

  #open(): Promise<NodeAccess> {
    this.#access ??= openAccess(this.#options).then(
      (access) => {
        access.onClosed(() => {
          this.#access = undefined;
        });
        return access;
      },
      (error: unknown) => {
        this.#access = undefined;
        throw error;
      },
    );
    return this.#access;
  }
}
