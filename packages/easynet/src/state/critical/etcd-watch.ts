import { z } from "zod";
import type { EtcdGateway } from "./etcd-gateway.ts";
import { base64, etcdNumber, kvSchema, prefixEnd, readAs, toEntry } from "./etcd-values.ts";
import type { CriticalEntry, CriticalEvent } from "./types.ts";

/** Pause before a broken watch is begun anew, ms. */
const AGAIN_AFTER_MS = 500;

const lineSchema = z.object({
  result: z.object({
    header: z.object({ revision: etcdNumber }),
    created: z.boolean().default(false),
    canceled: z.boolean().default(false),
    compact_revision: etcdNumber.default(0),
    events: z.array(z.object({ type: z.string().optional(), kv: kvSchema })).default([]),
  }),
});

export interface EtcdWatchOptions {
  readonly gateway: EtcdGateway;
  /** What stands before every key and is taken off for the listener. */
  readonly strip: string;
  readonly prefix: string;
  readonly list: () => Promise<readonly CriticalEntry[]>;
  readonly listener: (event: CriticalEvent) => void;
}

/** Resolves when etcd has begun to watch; broken connections are made again from the next revision on. */
export async function watchEtcd(options: EtcdWatchOptions): Promise<Disposable> {
  const watch = new EtcdWatch(options);
  await watch.start();
  return watch;
}

class EtcdWatch implements Disposable {
  readonly #options: EtcdWatchOptions;
  readonly #ended = new AbortController();
  /** Keys that are there: to notice what went while the watch was broken for longer than etcd keeps history. */
  readonly #keys = new Set<string>();
  #nextRevision = 0;

  constructor(options: EtcdWatchOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    for (const { key } of await this.#options.list()) this.#keys.add(key);
    await new Promise<void>((resolve, reject) => {
      this.#follow(resolve).then(() => this.#again(), reject);
    });
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
  }

  #again(): void {
    if (this.#ended.signal.aborted) return;
    setTimeout(() => {
      this.#follow(() => undefined).then(
        () => this.#again(),
        () => this.#again(),
      );
    }, AGAIN_AFTER_MS).unref();
  }

  /** One connection, to its end. */
  async #follow(begun: () => void): Promise<void> {
    const { gateway, prefix } = this.#options;
    const { signal } = this.#ended;
    const range = { key: base64(prefix), range_end: prefixEnd(prefix) };
    const create_request = { ...range, ...(this.#nextRevision > 0 && { start_revision: String(this.#nextRevision) }) };
    try {
      for await (const line of gateway.stream("/v3/watch", { create_request }, signal)) {
        const { result } = readAs(lineSchema, line);
        if (result.compact_revision > 0) await this.#catchUp();
        if (result.canceled) return;
        if (result.created) begun();
        if (result.created && this.#nextRevision === 0) this.#nextRevision = result.header.revision + 1;
        for (const { type, kv } of result.events) this.#tell(toEntry(kv, this.#options.strip), type === "DELETE");
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** History was thrown away: what there is now takes its place. */
  async #catchUp(): Promise<void> {
    const entries = await this.#options.list();
    const present = new Set(entries.map(({ key }) => key));
    const since = this.#nextRevision;
    const changed = entries.filter(({ revision }) => revision >= since);
    for (const entry of changed.sort((one, other) => one.revision - other.revision)) this.#tell(entry, false);
    for (const key of this.#keys) {
      if (!present.has(key)) this.#tell({ key, value: new Uint8Array(0), revision: this.#nextRevision }, true);
    }
  }

  #tell({ key, value, revision }: CriticalEntry, isGone: boolean): void {
    if (this.#ended.signal.aborted) return;
    this.#nextRevision = Math.max(this.#nextRevision, revision + 1);
    if (isGone) this.#keys.delete(key);
    else this.#keys.add(key);
    this.#options.listener(isGone ? { key, revision } : { key, value, revision });
  }
}
