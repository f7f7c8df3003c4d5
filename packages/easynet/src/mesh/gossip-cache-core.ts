import type { GossipConfig, Payload } from "./gossip-core.ts";

interface Kept {
  readonly payload: Payload;
  readonly hopsLeft: number;
}

/** Ids that were seen, and the payloads of the last of them. Both bounded, oldest out first. */
export class SeenCache {
  readonly #config: Pick<GossipConfig, "seenCountMax" | "keptBytesMax">;
  readonly #ids = new Set<string>();
  readonly #kept = new Map<string, Kept>();
  #keptBytes = 0;

  constructor(config: Pick<GossipConfig, "seenCountMax" | "keptBytesMax">) {
    this.#config = config;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  get(id: string): Kept | undefined {
    return this.#kept.get(id);
  }

  add(payload: Payload, hopsLeft: number): void {
    this.#ids.add(payload.id);
    this.#kept.set(payload.id, { payload, hopsLeft });
    this.#keptBytes += payload.bytes.length;
    while (this.#keptBytes > this.#config.keptBytesMax) this.#drop(this.#kept.keys().next().value);
    if (this.#ids.size <= this.#config.seenCountMax) return;
    const oldest = this.#ids.values().next().value;
    if (oldest === undefined) return;
    this.#ids.delete(oldest);
    this.#drop(oldest);
  }

  #drop(id: string | undefined): void {
    const kept = id === undefined ? undefined : this.#kept.get(id);
    if (id === undefined || !kept) return;
    this.#kept.delete(id);
    this.#keptBytes -= kept.payload.bytes.length;
  }
}

/** Bytes per second with a burst of one second; starts full. */
export class ByteBudget {
  readonly #perSecond: number;
  #bytes: number;
  #atMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#bytes = perSecond;
    this.#atMs = nowMs;
  }

  /** False when that many bytes may not leave now. */
  take(bytes: number, nowMs: number): boolean {
    this.#bytes = Math.min(this.#perSecond, this.#bytes + ((nowMs - this.#atMs) * this.#perSecond) / 1000);
    this.#atMs = nowMs;
    if (this.#bytes < bytes) return false;
    this.#bytes -= bytes;
    return true;
  }
}
