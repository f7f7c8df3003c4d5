import type { Did } from "../identity/index.ts";
import { type Clock, isEasynetError, type Logger, toEasynetError } from "../kernel/index.ts";
import type { Mesh, MeshFrame } from "../mesh/index.ts";
import { FRAME_TYPES } from "../wire/index.ts";
import type { Invitations } from "./invitations.ts";
import { decodeApproved, decodeAsked, encodeApproved, encodeAsked } from "./join-messages.ts";
import type { Asking } from "./pending-joins-core.ts";

/** A machine asks every 2 s; the others are told of it no more often than this, ms. */
const TELL_INTERVAL_MS = 5000;
/** Machines remembered for that; beyond it all are forgotten, and told of once more. */
const TOLD_COUNT_MAX = 64;

export interface JoinSharingOptions {
  readonly mesh: Pick<Mesh, "peers" | "send" | "handle">;
  readonly joining: Pick<Invitations, "hear" | "takeGrant">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Whoever a new machine asks to be let in, a person may approve it at any member that has the right: the one that was
 * asked tells those it is linked to, and the one that approves makes the membership and sends it back.
 */
export class JoinSharing {
  readonly #options: JoinSharingOptions;
  readonly #toldAtMs = new Map<Did, number>();

  constructor(options: JoinSharingOptions) {
    this.#options = options;
    options.mesh.handle(FRAME_TYPES["join-asked"], (frame) => this.#onAsked(frame));
    options.mesh.handle(FRAME_TYPES["join-approved"], (frame) => this.#onApproved(frame));
  }

  /** Tells the linked members that a machine waits here. */
  tell(asking: Asking): void {
    const { mesh, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    if (nowMs - (this.#toldAtMs.get(asking.did) ?? -Infinity) < TELL_INTERVAL_MS) return;
    if (this.#toldAtMs.size >= TOLD_COUNT_MAX) this.#toldAtMs.clear();
    this.#toldAtMs.set(asking.did, nowMs);
    const body = encodeAsked(asking);
    for (const { did } of mesh.peers()) this.#try(did, "join-asked", body);
  }

  /** @throws {EasynetError} PEER_UNREACHABLE */
  sendGrant(to: Did, joiner: Did, grant: Uint8Array): void {
    const body = encodeApproved(joiner, grant);
    this.#options.mesh.send(to, { lane: "control", type: FRAME_TYPES["join-approved"], body });
  }

  #onAsked({ from, body }: MeshFrame): void {
    const { joining, logger } = this.#options;
    try {
      const asking = decodeAsked(body);
      const grant = joining.hear({ ...asking, via: from });
      // Approved, and still asked for: the first answer got lost.
      if (grant) this.#try(from, "join-approved", encodeApproved(asking.did, grant));
    } catch (error) {
      // Too many wait already; they end by themselves.
      if (!isEasynetError(error, "OVERLOADED")) throw error;
      logger.debug("request to join not kept", { via: from });
    }
  }

  async #onApproved({ from, body }: MeshFrame): Promise<void> {
    const { joining, logger } = this.#options;
    const { joiner, grant } = decodeApproved(body);
    try {
      await joining.takeGrant(joiner, grant);
      logger.info("machine approved elsewhere", { did: joiner, by: from });
    } catch (thrown) {
      logger.warn("approval of another member not taken", { from, code: toEasynetError(thrown).code });
    }
  }

  #try(to: Did, type: "join-asked" | "join-approved", body: Uint8Array): void {
    try {
      this.#options.mesh.send(to, { lane: "control", type: FRAME_TYPES[type], body });
    } catch (thrown) {
      // It is told again as long as the machine asks.
      this.#options.logger.debug("request to join not told", { to, code: toEasynetError(thrown).code });
    }
  }
}
