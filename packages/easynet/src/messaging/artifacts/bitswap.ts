import type { Did } from "../../identity/index.ts";
import { type Clock, EasynetError, type Logger, type Metrics } from "../../kernel/index.ts";
import { type Guest, type Guests, type LaneStream, parseAddress } from "../../mesh/index.ts";
import type { Arrival, ArtifactStore } from "./artifact-store.ts";
import { BitswapAsk } from "./bitswap-ask.ts";
import { BITSWAP, type BitswapMessage, BitswapReader, encodeBitswap, type Want } from "./bitswap-core.ts";
import { CHUNK_BYTES } from "./layout-core.ts";
import { type Cid, formatCid } from "./cid.ts";
import type { ArtifactLimits } from "./limits.ts";
import type { ArtifactReport } from "./types.ts";

/** A message of a stranger, who has only wishes to tell; a longer one ends its connection. */
const WANTS_BYTES_MAX = 128 * 1024;
/** A message of a peer that is asked: all that is under way with it, if it likes. */
const BLOCKS_BYTES_MAX = 2 * 1024 * 1024;
/** Wishes of one peer that wait; a further one is answered as if the block were not here. */
const WANTS_COUNT_MAX = 1024;

/** IPFS beside the members: what it is spoken over, and who is asked. */
export interface IpfsOptions {
  readonly guests: Guests;
  /** Addresses of nodes of IPFS over TCP that are asked for what no member has, one after the other. */
  readonly peers: readonly string[];
}

export interface BitswapOptions extends IpfsOptions {
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits: ArtifactLimits;
}

/** Gives public artifacts to nodes of IPFS, and gets artifacts from those that the settings name. */
export class Bitswap {
  readonly #options: BitswapOptions;
  readonly #wanted = new Map<Did, Want[]>();
  /** By key and not by connection: a peer may answer on another one. */
  readonly #asks = new Map<Did, Set<BitswapAsk>>();
  /** Those that were dialled and are still there, by address. */
  readonly #reached = new Map<string, Guest>();
  #closed = false;

  /** @throws {EasynetError} INVALID_ARGUMENT, CONFIG_INVALID for an address that is not one of TCP */
  constructor(options: BitswapOptions) {
    this.#options = options;
    for (const peer of options.peers) {
      if (parseAddress(peer).transport === "tcp") continue;
      throw new EasynetError("CONFIG_INVALID", { key: "ipfsPeers", reason: `${peer} is not an address of TCP` });
    }
  }

  /** Before the fabric starts. */
  async start(): Promise<void> {
    await this.#options.guests.handle(BITSWAP, (guest, stream) => this.#onStream(guest, stream));
  }

  close(): void {
    this.#closed = true;
    for (const queue of this.#wanted.values()) queue.splice(0);
  }

  /**
   * From the first peer that has it; a further one goes on where one ended.
   * @throws {EasynetError} ARTIFACT_NOT_FOUND, ARTIFACT_INVALID (another layout than ours), ARTIFACT_TOO_LARGE, CANCELLED
   */
  async fetch(cid: Cid, arrival: Arrival, signal: AbortSignal): Promise<ArtifactReport> {
    try {
      for (const address of this.#options.peers) {
        if (!arrival.plan.done) await this.#fetchFrom(address, arrival, signal);
      }
      if (!arrival.plan.done) throw new EasynetError("ARTIFACT_NOT_FOUND", { cid: formatCid(cid) });
    } catch (error) {
      const code = error instanceof EasynetError ? error.code : undefined;
      await arrival.stop(code !== "ARTIFACT_INVALID" && code !== "ARTIFACT_TOO_LARGE");
      throw error;
    }
    return arrival.finish();
  }

  /** Until it has no more of it. */
  async #fetchFrom(address: string, arrival: Arrival, signal: AbortSignal): Promise<void> {
    const { plan } = arrival;
    while (!plan.done) {
      const cids = await this.#nextMissing(arrival);
      if (cids.length === 0) continue;
      const blocks = await this.#ask(address, cids, signal);
      for (const { hash } of cids) {
        const block = blocks.get(hash);
        if (block) await arrival.add(hash, block);
        else plan.giveBack(hash);
      }
      if (signal.aborted) throw signal.reason;
      if (blocks.size < cids.length) return;
    }
  }

  /** What is not on disk, as much as may be under way. */
  async #nextMissing(arrival: Arrival): Promise<readonly Cid[]> {
    const { plan } = arrival;
    const cids: Cid[] = [];
    while (cids.length < this.#options.limits.windowCount) {
      const hash = plan.next();
      if (hash === undefined) break;
      if (!(await arrival.find(hash))) cids.push(plan.cidOf(hash));
    }
    return cids;
  }

  /** Blocks by hash; those are missing that the peer does not have, or did not send in time. */
  async #ask(address: string, cids: readonly Cid[], signal: AbortSignal): Promise<ReadonlyMap<string, Uint8Array>> {
    const { clock, limits, logger } = this.#options;
    let guest: Guest;
    try {
      guest = await this.#reach(address, signal);
    } catch (error) {
      logger.debug("node of IPFS not reached", { address, error });
      return new Map();
    }
    const asks = this.#asks.get(guest.remote) ?? new Set();
    this.#asks.set(guest.remote, asks);
    const ask = new BitswapAsk({ hashes: cids.map(({ hash }) => hash), clock, idleMs: limits.idleMs });
    asks.add(ask);
    const end = (): void => ask.end();
    signal.addEventListener("abort", end, { once: true });
    guest.onClose(end);
    if (signal.aborted) end();
    const wish = { haveOnly: false, tellMissing: true };
    try {
      await this.#tell(guest, { wants: cids.map((cid) => ({ cid, cancel: false, ...wish })) });
      const blocks = await ask.ended;
      const rest = cids.filter(({ hash }) => !blocks.has(hash));
      // Else it would send them when it gets them.
      if (rest.length > 0) await this.#tell(guest, { wants: rest.map((cid) => ({ cid, cancel: true, ...wish })) });
      return blocks;
    } catch (error) {
      logger.debug("node of IPFS not asked", { address, error });
      ask.end();
      return ask.ended;
    } finally {
      signal.removeEventListener("abort", end);
      asks.delete(ask);
      if (asks.size === 0) this.#asks.delete(guest.remote);
    }
  }

  async #reach(address: string, signal: AbortSignal): Promise<Guest> {
    const known = this.#reached.get(address);
    if (known) return known;
    const guest = await this.#options.guests.dial(address, signal);
    this.#reached.set(address, guest);
    guest.onClose(() => this.#reached.delete(address));
    return guest;
  }

  async #tell(guest: Guest, message: Parameters<typeof encodeBitswap>[0]): Promise<void> {
    const stream = await guest.open(BITSWAP);
    stream.onData(() => undefined);
    stream.send(encodeBitswap(message));
    await stream.close();
  }

  #onStream(guest: Guest, stream: LaneStream): void {
    const reader = new BitswapReader(this.#asks.has(guest.remote) ? BLOCKS_BYTES_MAX : WANTS_BYTES_MAX);
    stream.onData((chunk) => {
      try {
        for (const message of reader.push(chunk)) this.#onMessage(guest, message);
      } catch (error) {
        this.#options.logger.debug("message of IPFS refused", { peer: guest.remote, error });
        guest.abort(new Error("what it sent is no message of Bitswap"));
      }
    });
  }

  #onMessage(guest: Guest, { wants, blocks, missing }: BitswapMessage): void {
    for (const ask of this.#asks.get(guest.remote) ?? []) {
      for (const block of blocks) ask.take(block);
      for (const { hash } of missing) ask.lack(hash);
    }
    if (wants.length > 0) this.#onWants(guest, wants);
  }

  #onWants(guest: Guest, wants: readonly Want[]): void {
    const running = this.#wanted.get(guest.remote);
    const queue = running ?? [];
    for (const want of wants) {
      const same = queue.findIndex(({ cid }) => cid.hash === want.cid.hash);
      if (same >= 0) queue.splice(same, 1);
      if (!want.cancel && queue.length < WANTS_COUNT_MAX) queue.push(want);
    }
    if (running || this.#closed) return;
    this.#wanted.set(guest.remote, queue);
    this.#serve(guest, queue)
      // It went: whoever wants the rest asks again.
      .catch((error: unknown) => this.#options.logger.debug("blocks not sent", { peer: guest.remote, error }))
      .finally(() => this.#wanted.delete(guest.remote));
  }

  /** One message after the other, each of about a block. */
  async #serve(guest: Guest, queue: Want[]): Promise<void> {
    while (queue.length > 0) {
      const answer = {
        have: new Array<Cid>(),
        missing: new Array<Cid>(),
        blocks: new Array<{ cid: Cid; bytes: Uint8Array }>(),
      };
      let bytesCount = 0;
      for (let want = queue.shift(); want; want = bytesCount < CHUNK_BYTES ? queue.shift() : undefined) {
        const bytes = await this.#find(want);
        const { cid, haveOnly, tellMissing } = want;
        if (!bytes) {
          if (tellMissing) answer.missing.push(cid);
        } else if (haveOnly) answer.have.push(cid);
        else {
          answer.blocks.push({ cid, bytes });
          bytesCount += bytes.length;
        }
      }
      if (answer.have.length + answer.missing.length + answer.blocks.length > 0) await this.#tell(guest, answer);
      this.#options.metrics.count("easynet_artifact_bytes_sent_total", {}, bytesCount);
    }
  }

  async #find({ cid }: Want): Promise<Uint8Array | undefined> {
    const { artifacts } = this.#options;
    return artifacts.isPublic(cid.hash) ? artifacts.block(cid.hash) : undefined;
  }
}
