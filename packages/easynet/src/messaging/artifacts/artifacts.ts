import { type Clock, EasynetError, type Logger, type Metrics, repeat, type Timer } from "../../kernel/index.ts";
import type { Mesh } from "../../mesh/index.ts";
import type { Store } from "../../storage/index.ts";
import { FRAME_TYPES } from "../../wire/index.ts";
import { ArtifactStore } from "./artifact-store.ts";
import { Bitswap, type IpfsOptions } from "./bitswap.ts";
import { type Cid, formatCid, parseCid } from "./cid.ts";
import { type ArtifactLimits, defaultArtifactLimits } from "./limits.ts";
import { Provider } from "./provider.ts";
import { Transfer } from "./transfer.ts";
import type { ArtifactReport, Artifacts, ArtifactUsage, FetchOptions, FetchProgress } from "./types.ts";

/** How often what came with messages that are over is removed, ms. */
const SWEEP_MS = 30_000;

export interface ArtifactsOptions {
  readonly mesh: Mesh;
  readonly store: Store;
  /** Blocks are kept here; nothing else may be in it. */
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits?: Partial<ArtifactLimits>;
  /** Undefined: only members. The fabric must not run yet. */
  readonly ipfs?: IpfsOptions | undefined;
}

/**
 * Finds what is on disk, and serves it from then on.
 * @throws {EasynetError} STORAGE_FAILED; INVALID_ARGUMENT and CONFIG_INVALID for an address of a node of IPFS
 */
export async function createArtifacts(options: ArtifactsOptions): Promise<Artifacts> {
  const limits = { ...defaultArtifactLimits, ...options.limits };
  const logger = options.logger.child({ component: "artifacts" });
  const artifacts = await ArtifactStore.open({ ...options, limits, logger });
  const bitswap = options.ipfs && new Bitswap({ ...options, ...options.ipfs, artifacts, limits, logger });
  await bitswap?.start();
  return new ArtifactService({ ...options, limits, logger }, { artifacts, bitswap });
}

interface ServiceParts {
  readonly artifacts: ArtifactStore;
  readonly bitswap: Bitswap | undefined;
}

interface Running {
  readonly finished: Promise<unknown>;
  readonly cancel: (error: EasynetError) => void;
  readonly watchers: Set<(progress: FetchProgress) => void>;
  waiters: number;
}

class ArtifactService implements Artifacts {
  readonly #options: ArtifactsOptions & { readonly limits: ArtifactLimits };
  readonly #artifacts: ArtifactStore;
  readonly #bitswap: Bitswap | undefined;
  readonly #provider: Provider;
  readonly #running = new Map<string, Promise<Running>>();
  readonly #transfers = new Map<number, Transfer>();
  /** Of fetches under way. */
  readonly #cancels = new Set<(error: EasynetError) => void>();
  readonly #sweeper: Timer;
  #number = 0;
  #closed = false;

  constructor(options: ArtifactsOptions & { readonly limits: ArtifactLimits }, parts: ServiceParts) {
    this.#options = options;
    const { artifacts, bitswap } = parts;
    this.#artifacts = artifacts;
    this.#bitswap = bitswap;
    const { mesh, limits } = options;
    this.#sweeper = repeat(options.clock, SWEEP_MS, () => void this.#sweep());
    this.#provider = new Provider({ ...options, artifacts, wantedPerPeerMax: limits.wantedPerPeerMax });
    mesh.handle(FRAME_TYPES["artifact-have"], ({ from, correlation, body }) =>
      this.#transfers.get(correlation)?.onHave(from, body),
    );
    mesh.handle(FRAME_TYPES["artifact-block"], ({ from, correlation, body }) =>
      this.#transfers.get(correlation)?.onBlock(from, body),
    );
    mesh.handle(FRAME_TYPES["artifact-missing"], ({ from, correlation, body }) =>
      this.#transfers.get(correlation)?.onMissing(from, body),
    );
  }

  put(...given: Parameters<Artifacts["put"]>): ReturnType<Artifacts["put"]> {
    return this.#artifacts.put(...given);
  }

  get(cid: string): ArtifactReport | undefined {
    return this.#artifacts.get(cid);
  }

  list(): readonly ArtifactReport[] {
    return this.#artifacts.list();
  }

  usage(): ArtifactUsage {
    return { usedBytes: this.#artifacts.usedBytes, quotaBytes: this.#options.limits.storeBytesMax };
  }

  open(cid: string): AsyncGenerator<Uint8Array, void, void> {
    return this.#artifacts.read(cid);
  }

  pin(cid: string, pinned: boolean): Promise<void> {
    return this.#artifacts.pin(cid, pinned);
  }

  remove(cid: string): Promise<void> {
    return this.#artifacts.remove(cid);
  }

  async fetch(cid: string, options: FetchOptions = {}): Promise<ArtifactReport> {
    const { signal, onProgress } = options;
    const known = this.#artifacts.get(cid);
    if (known?.complete) return this.#artifacts.keep(cid, options);
    const cancelled = new EasynetError("CANCELLED", { subject: "The artifact" });
    if (signal?.aborted) throw cancelled;
    const running = await this.#run(formatCid(parseCid(cid)), options);
    running.waiters++;
    if (onProgress) running.watchers.add(onProgress);
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(cancelled);
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    try {
      await Promise.race([running.finished, aborted.promise]);
      // Who began the fetch may have wanted it for a shorter time.
      return await this.#artifacts.keep(cid, options);
    } finally {
      signal?.removeEventListener("abort", abort);
      if (onProgress) running.watchers.delete(onProgress);
      running.waiters--;
      // Whoever else waits for it goes on.
      if (running.waiters === 0) {
        running.cancel(cancelled);
        await running.finished.catch(() => undefined);
      }
    }
  }

  close(): void {
    this.#closed = true;
    this.#sweeper.cancel();
    this.#provider.close();
    this.#bitswap?.close();
    for (const cancel of this.#cancels) cancel(new EasynetError("NODE_STOPPING", {}));
  }

  async #sweep(): Promise<void> {
    try {
      await this.#artifacts.expire();
    } catch (error) {
      if (!this.#closed) this.#options.logger.warn("artifacts that are over stay for now", { error });
    }
  }

  async #run(cid: string, options: FetchOptions): Promise<Running> {
    const { limits } = this.#options;
    if (this.#closed) throw new EasynetError("NODE_STOPPING", {});
    const known = this.#running.get(cid);
    if (known) return known;
    if (this.#running.size >= limits.transfersMax) {
      throw new EasynetError("OVERLOADED", { subject: "The fetching of artifacts", queued: this.#running.size });
    }
    const started = this.#start(cid, options);
    this.#running.set(cid, started);
    try {
      return await started;
    } catch (error) {
      this.#running.delete(cid);
      throw error;
    }
  }

  async #start(text: string, { from = [], ...options }: FetchOptions): Promise<Running> {
    const cid = parseCid(text);
    const arrival = await this.#artifacts.arrive(cid, options);
    const watchers = new Set<(progress: FetchProgress) => void>();
    const number = (this.#number = (this.#number % 0xffff_ffff) + 1);
    const onProgress = (progress: FetchProgress): void => {
      for (const watcher of watchers) watcher(progress);
    };
    const transfer = new Transfer({ ...this.#options, cid, number, arrival, from, onProgress });
    this.#transfers.set(number, transfer);
    const stop = new AbortController();
    const cancel = (error: EasynetError): void => {
      stop.abort(error);
      transfer.cancel(error);
    };
    this.#cancels.add(cancel);
    const finished = transfer.finished
      .finally(() => this.#transfers.delete(number))
      .catch((error: unknown) => this.#elsewhere(cid, error, { ...options, signal: stop.signal }));
    const end = (): void => {
      this.#cancels.delete(cancel);
      this.#running.delete(text);
    };
    finished.then(end, end);
    return { finished, cancel, watchers, waiters: 0 };
  }

  /** What no member has may be found with IPFS. @throws what the members' end was, when it is not there either */
  async #elsewhere(cid: Cid, error: unknown, options: FetchOptions & { readonly signal: AbortSignal }): Promise<void> {
    const code = error instanceof EasynetError ? error.code : undefined;
    const absent = code === "ARTIFACT_NOT_FOUND" || code === "ARTIFACT_UNREACHABLE";
    if (!this.#bitswap || !absent || options.signal.aborted) throw error;
    await this.#bitswap.fetch(cid, await this.#artifacts.arrive(cid, options), options.signal);
  }
}
