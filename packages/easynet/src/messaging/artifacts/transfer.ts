import type { Did } from "../../identity/index.ts";
import { type Clock, EasynetError, type Logger, type Metrics, repeat, type Timer } from "../../kernel/index.ts";
import type { Mesh } from "../../mesh/index.ts";
import { FRAME_TYPES } from "../../wire/index.ts";
import type { Arrival } from "./artifact-store.ts";
import { type Cid, cidToBytes, formatCid, hashOf } from "./cid.ts";
import { decodeHashes, encodeHashes } from "./frames.ts";
import type { ArtifactLimits } from "./limits.ts";
import type { ArtifactReport, FetchProgress } from "./types.ts";

const TICK_MS = 500;

export interface TransferOptions {
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly limits: ArtifactLimits;
  readonly cid: Cid;
  /** Correlation of its frames. */
  readonly number: number;
  readonly arrival: Arrival;
  readonly from: readonly Did[];
  readonly onProgress: (progress: FetchProgress) => void;
}

/** A member that has the artifact; `wants` are asked of it and have not come. */
interface Source {
  readonly wants: Set<string>;
  heardAtMs: number;
}

/** Fetches one artifact from all members that have it; each is asked for as much as the window allows. */
export class Transfer {
  readonly finished: Promise<ArtifactReport>;
  readonly #options: TransferOptions;
  readonly #settle = Promise.withResolvers<ArtifactReport>();
  readonly #sources = new Map<Did, Source>();
  /** Asked whether they have it, and when; 0 = the answer came. */
  readonly #asked = new Map<Did, number>();
  readonly #timer: Timer;
  readonly #listeners: readonly Disposable[];
  #alone = 0;
  /** One that was honest is gone: it may come back. */
  #mayReturn = false;
  #forger: string | undefined;
  #writing = 0;
  #filling = false;
  #fillAgain = false;
  #ended = false;

  constructor(options: TransferOptions) {
    this.#options = options;
    this.finished = this.#settle.promise;
    const { mesh, clock } = options;
    this.#alone = clock.monotonicMs();
    this.#listeners = [
      mesh.on("peer-joined", ({ did }) => this.#ask(did)),
      mesh.on("peer-left", ({ did }) => this.#lose(did)),
    ];
    this.#timer = repeat(clock, TICK_MS, () => this.#tick());
    for (const { did } of mesh.peers()) this.#ask(did);
    for (const did of options.from) this.#reach(did);
    this.#fill();
  }

  /** Stops; what has arrived stays for the next time. */
  cancel(error: EasynetError): void {
    this.#end(error, true);
  }

  onHave(from: Did, body: Uint8Array): void {
    if (!this.#asked.has(from) || this.#ended) return;
    this.#asked.set(from, 0);
    if (body[0] === 1 && !this.#sources.has(from)) {
      this.#sources.set(from, { wants: new Set(), heardAtMs: this.#options.clock.monotonicMs() });
      this.#fill();
    } else this.#giveUpIfAlone();
  }

  /** Resolves when the block is on disk: until then its bytes count as not taken from the link. */
  async onBlock(from: Did, body: Uint8Array): Promise<void> {
    const source = this.#sources.get(from);
    if (!source || this.#ended) return;
    const hash = hashOf(body);
    if (!source.wants.delete(hash)) {
      this.#options.metrics.count("easynet_artifact_blocks_refused_total");
      this.#options.logger.warn("member sent bytes that nobody asked for", { peer: from });
      this.#forger = from;
      this.#lose(from);
      return;
    }
    source.heardAtMs = this.#options.clock.monotonicMs();
    this.#writing++;
    try {
      const { arrival, metrics } = this.#options;
      // A copy: the body is the link's, and the disk is slow.
      await arrival.add(hash, Uint8Array.from(body));
      metrics.count("easynet_artifact_bytes_received_total", {}, body.length);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#writing--;
    }
    this.#tellProgress();
    this.#fill();
  }

  /** It removed the artifact, or is asked for more than it takes. */
  onMissing(from: Did, body: Uint8Array): void {
    const source = this.#sources.get(from);
    if (decodeHashes(body).some((hash) => source?.wants.has(hash))) this.#lose(from);
  }

  #reach(did: Did): void {
    const { mesh, logger } = this.#options;
    if (mesh.peer(did)) return;
    this.#asked.set(did, this.#options.clock.monotonicMs());
    mesh.reach(did).then(
      () => this.#ask(did),
      (error: unknown) => {
        logger.debug("provider not reached", { peer: did, error });
        this.#asked.set(did, 0);
        this.#giveUpIfAlone();
      },
    );
  }

  #ask(did: Did): void {
    if (this.#ended || this.#sources.has(did) || this.#forger === did) return;
    const { cid, number, clock } = this.#options;
    this.#asked.set(did, clock.monotonicMs());
    if (!this.#send(did, "artifact-ask", { correlation: number, body: cidToBytes(cid) })) this.#asked.set(did, 0);
  }

  /** Looks on disk first, then asks for what is not there. */
  #fill(): void {
    if (this.#filling) {
      this.#fillAgain = true;
      return;
    }
    this.#filling = true;
    this.#fillOnce()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#filling = false;
        if (!this.#fillAgain) return;
        this.#fillAgain = false;
        this.#fill();
      });
  }

  async #fillOnce(): Promise<void> {
    const { arrival, number, limits } = this.#options;
    const { plan } = arrival;
    while (!this.#ended) {
      if (plan.done) {
        if (this.#writing === 0) await this.#finish();
        return;
      }
      // Before anybody has it too: what is on disk may be all.
      const [did, source] = this.#leastAsked();
      if (source && source.wants.size >= limits.windowCount) return;
      const hash = plan.next();
      if (hash === undefined) return;
      if (await arrival.find(hash)) {
        this.#tellProgress();
        continue;
      }
      // The source may be gone after the wait.
      if (!source || did === undefined || this.#sources.get(did) !== source) {
        plan.giveBack(hash);
        if (this.#sources.size === 0) return this.#giveUpIfAlone();
        continue;
      }
      source.wants.add(hash);
      if (source.wants.size === 1) source.heardAtMs = this.#options.clock.monotonicMs();
      if (!this.#send(did, "artifact-want", { correlation: number, body: encodeHashes([hash]) })) this.#lose(did);
    }
  }

  async #finish(): Promise<void> {
    this.#close();
    this.#settle.resolve(await this.#options.arrival.finish());
  }

  #leastAsked(): readonly [Did, Source] | readonly [undefined, undefined] {
    let best: readonly [Did, Source] | undefined;
    for (const entry of this.#sources) if (!best || entry[1].wants.size < best[1].wants.size) best = entry;
    return best ?? [undefined, undefined];
  }

  #lose(did: Did): void {
    const source = this.#sources.get(did);
    this.#asked.delete(did);
    if (source) {
      this.#sources.delete(did);
      this.#mayReturn ||= did !== this.#forger;
      this.#alone = this.#options.clock.monotonicMs();
      for (const hash of source.wants) this.#options.arrival.plan.giveBack(hash);
    }
    if (this.#ended) return;
    if (this.#sources.size > 0) this.#fill();
    else this.#giveUpIfAlone();
  }

  #tick(): void {
    const { clock, limits } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const [did, { wants, heardAtMs }] of this.#sources) {
      if (wants.size > 0 && nowMs - heardAtMs > limits.idleMs) this.#lose(did);
    }
    for (const [did, askedAtMs] of this.#asked) {
      if (askedAtMs > 0 && nowMs - askedAtMs > limits.patienceMs) this.#asked.set(did, 0);
    }
    this.#giveUpIfAlone();
  }

  /** Nobody has it and nobody is still to answer: over at once, unless somebody had it and may come back. */
  #giveUpIfAlone(): void {
    if (this.#ended || this.#sources.size > 0 || this.#writing > 0) return;
    const { clock, limits, cid } = this.#options;
    const text = formatCid(cid);
    if (this.#forger !== undefined && !this.#mayReturn) {
      this.#end(new EasynetError("ARTIFACT_FORGED", { cid: text, peer: this.#forger }), false);
      return;
    }
    if ([...this.#asked.values()].some((askedAtMs) => askedAtMs > 0)) return;
    if (!this.#mayReturn) {
      // The disk may have all of it: only what it does not have is missing.
      if (!this.#filling) this.#end(new EasynetError("ARTIFACT_NOT_FOUND", { cid: text }), true);
    } else if (clock.monotonicMs() - this.#alone > limits.patienceMs) {
      this.#end(new EasynetError("ARTIFACT_UNREACHABLE", { cid: text }), true);
    }
  }

  #fail(error: unknown): void {
    const typed = error instanceof EasynetError ? error : new EasynetError("INTERNAL", { reason: String(error) });
    this.#end(typed, typed.code !== "ARTIFACT_INVALID" && typed.code !== "ARTIFACT_TOO_LARGE");
  }

  #end(error: EasynetError, keep: boolean): void {
    if (this.#ended) return;
    this.#close();
    for (const did of this.#sources.keys()) {
      this.#send(did, "artifact-cancel", { correlation: this.#options.number, body: new Uint8Array(0) });
    }
    void this.#stop(error, keep);
  }

  async #stop(error: EasynetError, keep: boolean): Promise<void> {
    try {
      await this.#options.arrival.stop(keep);
    } catch (cause) {
      this.#options.logger.warn("what arrived of an artifact was not cleared up", { error: cause });
    }
    this.#settle.reject(error);
  }

  #close(): void {
    this.#ended = true;
    this.#timer.cancel();
    for (const listener of this.#listeners) listener[Symbol.dispose]();
  }

  #tellProgress(): void {
    const { bytes, bytesTotal } = this.#options.arrival.plan;
    this.#options.onProgress({ bytes, bytesTotal });
  }

  #send(
    to: Did,
    type: "artifact-ask" | "artifact-want" | "artifact-cancel",
    frame: { readonly correlation: number; readonly body: Uint8Array },
  ): boolean {
    try {
      this.#options.mesh.send(to, { lane: "normal", type: FRAME_TYPES[type], ...frame });
      return true;
    } catch (error) {
      this.#options.logger.debug("artifact frame not sent", { peer: to, error });
      return false;
    }
  }
}
