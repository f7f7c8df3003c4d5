import type { Did } from "../../identity/index.ts";
import type { Logger, Metrics } from "../../kernel/index.ts";
import type { Mesh, MeshFrame } from "../../mesh/index.ts";
import { FRAME_TYPES } from "../../wire/index.ts";
import type { ArtifactStore } from "./artifact-store.ts";
import { cidFromBytes, formatCid } from "./cid.ts";
import { decodeHashes, encodeHashes } from "./frames.ts";

export interface ProviderOptions {
  readonly mesh: Mesh;
  readonly artifacts: ArtifactStore;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly wantedPerPeerMax: number;
}

interface Want {
  readonly transfer: number;
  readonly hash: string;
}

/** Sends blocks to members that know their address: as fast as each takes them, one in memory per member. */
export class Provider {
  readonly #options: ProviderOptions;
  readonly #wanted = new Map<Did, Want[]>();
  readonly #listener: Disposable;
  #closed = false;

  constructor(options: ProviderOptions) {
    this.#options = options;
    const { mesh } = options;
    mesh.handle(FRAME_TYPES["artifact-ask"], (frame) => this.#onAsk(frame));
    mesh.handle(FRAME_TYPES["artifact-want"], (frame) => this.#onWant(frame));
    mesh.handle(FRAME_TYPES["artifact-cancel"], (frame) => this.#onCancel(frame));
    this.#listener = mesh.on("peer-left", ({ did }) => this.#wanted.get(did)?.splice(0));
  }

  close(): void {
    this.#closed = true;
    this.#listener[Symbol.dispose]();
    for (const queue of this.#wanted.values()) queue.splice(0);
  }

  #onAsk({ from, correlation, body }: MeshFrame): void {
    const cid = cidFromBytes(body);
    const has = cid !== undefined && this.#options.artifacts.get(formatCid(cid))?.complete === true;
    this.#tell(from, { type: FRAME_TYPES["artifact-have"], correlation, body: Uint8Array.of(has ? 1 : 0) });
  }

  #onWant({ from, correlation: transfer, body }: MeshFrame): void {
    const running = this.#wanted.get(from);
    const queue = running ?? [];
    for (const hash of decodeHashes(body)) {
      if (queue.length < this.#options.wantedPerPeerMax) queue.push({ transfer, hash });
      else this.#refuse(from, { transfer, hash });
    }
    if (running || this.#closed) return;
    this.#wanted.set(from, queue);
    this.#serve(from, queue)
      // The link went: whoever wants the rest asks again.
      .catch((error: unknown) => this.#options.logger.debug("artifact not sent", { peer: from, error }))
      .finally(() => this.#wanted.delete(from));
  }

  #onCancel({ from, correlation }: MeshFrame): void {
    const queue = this.#wanted.get(from);
    queue?.splice(0, queue.length, ...queue.filter(({ transfer }) => transfer !== correlation));
  }

  async #serve(to: Did, queue: Want[]): Promise<void> {
    const { mesh, artifacts, metrics } = this.#options;
    for (let want = queue.shift(); want && !this.#closed; want = queue.shift()) {
      const body = await artifacts.block(want.hash);
      if (!body) {
        this.#refuse(to, want);
        continue;
      }
      const type = FRAME_TYPES["artifact-block"];
      metrics.count("easynet_artifact_bytes_sent_total", {}, body.length);
      if (!mesh.send(to, { lane: "bulk", type, correlation: want.transfer, body })) await mesh.drained(to, "bulk");
    }
  }

  #refuse(to: Did, { transfer, hash }: Want): void {
    this.#tell(to, { type: FRAME_TYPES["artifact-missing"], correlation: transfer, body: encodeHashes([hash]) });
  }

  #tell(to: Did, frame: { readonly type: number; readonly correlation: number; readonly body: Uint8Array }): void {
    try {
      this.#options.mesh.send(to, { lane: "normal", ...frame });
    } catch (error) {
      this.#options.logger.debug("artifact answer not sent", { peer: to, error });
    }
  }
}
