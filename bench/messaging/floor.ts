/**
 * The floor: what two syncs and one TLS connection cost when nothing else is done. The publisher writes what is pending
 * into a preallocated log and syncs it while the same bytes are on the way; the consumer writes, syncs, hands over and
 * acknowledges. No identity, no lanes, no recovery.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tlsSystem } from "../mesh/tls.ts";
import { type Consumer, type Publisher, type System } from "./system.ts";

const KIND_BATCH = 1;
const KIND_ACKNOWLEDGED = 2;
const LOG_BYTES = 64 * 1024 * 1024;
const LENGTH_BYTES = 4;
/** Below the 64 KiB of a frame of the channel. */
const BATCH_BYTES_MAX = 60 * 1024;

/** Written round and round: a real log would have been folded away by then. */
class Log {
  readonly #file: FileHandle;
  #at = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(): Promise<Log> {
    const folder = mkdtempSync(join(tmpdir(), "easynet-floor-"));
    const file = await open(join(folder, "log"), "w+");
    // The file stays until it is closed, and nobody has to clean up after a killed process.
    rmSync(folder, { recursive: true });
    await file.write(Buffer.alloc(LOG_BYTES));
    await file.sync();
    return new Log(file);
  }

  async append(bytes: Uint8Array): Promise<void> {
    if (this.#at + bytes.length > LOG_BYTES) this.#at = 0;
    const at = this.#at;
    this.#at += bytes.length;
    await this.#file.write(bytes, 0, bytes.length, at);
    await this.#file.datasync();
  }
}

export const floorSystem: System = {
  async consume(_server, handle): Promise<Consumer> {
    const log = await Log.open();
    const { address, channel: connected } = await tlsSystem.listen();
    void (async () => {
      const channel = await connected;
      let pending: Uint8Array[] = [];
      const take = drainer(async () => {
        const batches = pending;
        pending = [];
        await log.append(Buffer.concat(batches));
        let count = 0;
        for (const batch of batches) {
          for (const body of bodiesOf(batch)) {
            handle(body);
            count += 1;
          }
        }
        const answer = Buffer.alloc(LENGTH_BYTES);
        answer.writeUInt32LE(count);
        channel.send(KIND_ACKNOWLEDGED, answer);
        return pending.length > 0;
      });
      channel.onMessage((_kind, batch) => {
        pending.push(Uint8Array.from(batch));
        take();
      });
    })();
    return { address, settled: async () => Promise.resolve() };
  },
  async publisher(address): Promise<Publisher> {
    const log = await Log.open();
    const channel = await tlsSystem.connect(address);
    const stored: (() => void)[] = [];
    let acknowledgedCount = 0;
    const confirm = (): void => {
      for (const resolve of stored.splice(0, Math.min(acknowledgedCount, stored.length))) {
        acknowledgedCount -= 1;
        resolve();
      }
    };
    channel.onMessage((_kind, answer) => {
      acknowledgedCount += Buffer.from(answer).readUInt32LE();
      confirm();
    });
    let pending: { readonly body: Uint8Array; readonly resolve: () => void }[] = [];
    const flush = drainer(async () => {
      const taken = pending;
      pending = [];
      const batches = batchesOf(taken.map(({ body }) => body));
      for (const batch of batches) channel.send(KIND_BATCH, batch);
      await log.append(Buffer.concat(batches));
      for (const { resolve } of taken) stored.push(resolve);
      confirm();
      return pending.length > 0;
    });
    return {
      publish: (body) =>
        new Promise((resolve) => {
          pending.push({ body, resolve });
          flush();
        }),
    };
  },
};

/** Runs `step` again as long as it says so; what arrives meanwhile is in the next one. */
function drainer(step: () => Promise<boolean>): () => void {
  let busy = false;
  const run = async (): Promise<void> => {
    await Promise.resolve();
    while (await step());
    busy = false;
  };
  return () => {
    if (busy) return;
    busy = true;
    void run();
  };
}

/** Each body with its length before it, as many together as a frame takes. */
function batchesOf(bodies: readonly Uint8Array[]): readonly Uint8Array[] {
  const batches: Uint8Array[] = [];
  let batch = Buffer.alloc(BATCH_BYTES_MAX);
  let used = 0;
  for (const body of bodies) {
    if (used + LENGTH_BYTES + body.length > BATCH_BYTES_MAX) {
      batches.push(batch.subarray(0, used));
      batch = Buffer.alloc(BATCH_BYTES_MAX);
      used = 0;
    }
    batch.writeUInt32LE(body.length, used);
    batch.set(body, used + LENGTH_BYTES);
    used += LENGTH_BYTES + body.length;
  }
  return [...batches, batch.subarray(0, used)];
}

function* bodiesOf(batch: Uint8Array): Generator<Uint8Array> {
  const bytes = Buffer.from(batch.buffer, batch.byteOffset, batch.length);
  for (let at = 0; at < bytes.length;) {
    const end = at + LENGTH_BYTES + bytes.readUInt32LE(at);
    yield bytes.subarray(at + LENGTH_BYTES, end);
    at = end;
  }
}
