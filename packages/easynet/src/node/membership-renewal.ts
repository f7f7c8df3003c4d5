import { type Did, type KeyPair, verifyMembership } from "../identity/index.ts";
import { type Clock, type Logger, repeat, toEasynetError } from "../kernel/index.ts";
import type { Mesh, MeshFrame } from "../mesh/index.ts";
import { FRAME_TYPES } from "../wire/index.ts";
import { issueMembershipFile, MEMBERSHIP_TIME_TO_LIVE_MS } from "./network.ts";

/** A member asks for a new membership once a third of its life is over, so that weeks without the issuer do no harm. */
const RENEW_WITHIN_MS = (MEMBERSHIP_TIME_TO_LIVE_MS * 2) / 3;
const CHECK_INTERVAL_MS = 3_600_000;
/** An issuer answers one member no more often than this, ms. */
const ANSWER_INTERVAL_MS = 60_000;
/** Members remembered for that; the oldest is forgotten first. */
const ANSWERED_COUNT_MAX = 1000;

export interface MembershipRenewalOptions {
  readonly mesh: Pick<Mesh, "self" | "peers" | "send" | "handle" | "on">;
  readonly network: { readonly did: Did; readonly name: string };
  /** Only an issuer has it; it renews its own membership at each start. */
  readonly root: KeyPair | undefined;
  readonly expiresAtMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Keeps a membership that holds longer; it was verified. */
  readonly onRenewed: (delegation: Uint8Array) => void;
}

/** Keeps the membership of this node alive: whoever holds the root key gives linked members new ones when they ask. */
export class MembershipRenewal implements Disposable {
  readonly #options: MembershipRenewalOptions;
  readonly #answeredAtMs = new Map<Did, number>();
  readonly #owned: Disposable;
  #expiresAtMs: number;

  constructor(options: MembershipRenewalOptions) {
    const { mesh, clock } = options;
    this.#options = options;
    this.#expiresAtMs = options.expiresAtMs;
    mesh.handle(FRAME_TYPES["membership-renew"], (frame) => this.#onAsked(frame));
    mesh.handle(FRAME_TYPES["membership-renewed"], (frame) => this.#onRenewed(frame));
    const timer = repeat(clock, CHECK_INTERVAL_MS, () => {
      for (const peer of mesh.peers()) this.#askIfDue(peer.did);
    });
    const joined = mesh.on("peer-joined", (peer) => this.#askIfDue(peer.did));
    this.#owned = {
      [Symbol.dispose]: () => {
        timer.cancel();
        joined[Symbol.dispose]();
      },
    };
  }

  [Symbol.dispose](): void {
    this.#owned[Symbol.dispose]();
  }

  #askIfDue(peer: Did): void {
    const { root, clock } = this.#options;
    if (root || this.#expiresAtMs - clock.nowMs() > RENEW_WITHIN_MS) return;
    this.#send(peer, "membership-renew", new Uint8Array(0));
  }

  /** Who asks is a member: its link proved key and membership. */
  async #onAsked({ from }: MeshFrame): Promise<void> {
    const { root, network, clock, logger } = this.#options;
    if (!root) return;
    const nowMs = clock.nowMs();
    if (nowMs - (this.#answeredAtMs.get(from) ?? -Infinity) < ANSWER_INTERVAL_MS) return;
    this.#answeredAtMs.delete(from);
    if (this.#answeredAtMs.size >= ANSWERED_COUNT_MAX) {
      const oldest = this.#answeredAtMs.keys().next();
      if (!oldest.done) this.#answeredAtMs.delete(oldest.value);
    }
    this.#answeredAtMs.set(from, nowMs);
    const options = { member: from, networkName: network.name, addresses: [], nowMs };
    const { delegation } = await issueMembershipFile(root, options);
    this.#send(from, "membership-renewed", Buffer.from(delegation, "base64"));
    logger.info("membership renewed", { member: from });
  }

  async #onRenewed({ from, body }: MeshFrame): Promise<void> {
    const { mesh, network, clock, logger, onRenewed } = this.#options;
    const delegation = Uint8Array.from(body);
    try {
      const options = { network: network.did, member: mesh.self, nowMs: clock.nowMs() };
      const { expiresAtMs } = await verifyMembership(delegation, options);
      if (expiresAtMs <= this.#expiresAtMs) return;
      onRenewed(delegation);
      this.#expiresAtMs = expiresAtMs;
    } catch (error) {
      logger.warn("renewed membership not taken", { from, error });
    }
  }

  #send(to: Did, type: "membership-renew" | "membership-renewed", body: Uint8Array): void {
    try {
      this.#options.mesh.send(to, { lane: "control", type: FRAME_TYPES[type], body });
    } catch (thrown) {
      // The link ended; it is asked again with the next one.
      this.#options.logger.debug("renewal not sent", { to, code: toEasynetError(thrown).code });
    }
  }
}
