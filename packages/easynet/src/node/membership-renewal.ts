import { type Did, type Membership, verifyMembership } from "../identity/index.ts";
import { type Clock, type Logger, repeat, toEasynetError } from "../kernel/index.ts";
import type { Mesh, MeshFrame } from "../mesh/index.ts";
import { FRAME_TYPES } from "../wire/index.ts";
import { type Granter, issueMembershipFile, lifetimeMs } from "./network.ts";
import { isBetter, isWanting, type RenewalRule } from "./renewal-core.ts";

const CHECK_INTERVAL_MS = 3_600_000;
/** One member is answered no more often than this, ms. */
const ANSWER_INTERVAL_MS = 60_000;
/** Members remembered for that; the oldest is forgotten first. */
const ANSWERED_COUNT_MAX = 1000;

export interface MembershipRenewalOptions {
  readonly mesh: Pick<Mesh, "self" | "peers" | "send" | "handle" | "on">;
  readonly network: { readonly did: Did; readonly name: string };
  /** The node with the root key renews its own membership at each start, and asks nobody. */
  readonly holdsRoot: boolean;
  /** What memberships are signed with now; undefined: this node renews nobody's. */
  readonly granter: () => Granter | undefined;
  /** Its own as it is now. */
  readonly membership: () => { readonly bytes: Uint8Array; readonly verified: Membership };
  readonly clock: Clock;
  readonly logger: Logger;
  /** Keeps a better membership. */
  readonly onRenewed: (delegation: Uint8Array, verified: Membership) => void;
}

/**
 * Keeps the membership of this node alive: whoever may let machines in gives linked members new ones when they ask,
 * with the rights that they had, and only when the new one is better.
 */
export class MembershipRenewal implements Disposable {
  readonly #options: MembershipRenewalOptions;
  readonly #answeredAtMs = new Map<Did, number>();
  readonly #owned: Disposable;

  constructor(options: MembershipRenewalOptions) {
    const { mesh, clock } = options;
    this.#options = options;
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
    const { holdsRoot, membership } = this.#options;
    const { bytes, verified } = membership();
    if (!holdsRoot && isWanting(verified, this.#rule())) this.#send(peer, "membership-renew", bytes);
  }

  /** The body is the membership that the other one has: what it is to get, and whether ours would be better, is in it. */
  async #onAsked({ from, body }: MeshFrame): Promise<void> {
    const { network, clock, logger } = this.#options;
    const granter = this.#options.granter();
    const nowMs = clock.nowMs();
    if (!granter || nowMs - (this.#answeredAtMs.get(from) ?? -Infinity) < ANSWER_INTERVAL_MS) return;
    this.#remember(from, nowMs);
    const check = { network: network.did, member: from, nowMs };
    try {
      const theirs = await verifyMembership(Uint8Array.from(body), check);
      const { mayInvite } = theirs;
      const options = { member: from, networkName: network.name, addresses: [], mayInvite, nowMs };
      const file = await issueMembershipFile(granter, options);
      const delegation = Buffer.from(file.delegation, "base64");
      if (!isBetter(await verifyMembership(delegation, check), theirs, this.#rule())) return;
      this.#send(from, "membership-renewed", delegation);
      logger.info("membership renewed", { member: from });
    } catch (thrown) {
      logger.warn("membership not renewed", { member: from, code: toEasynetError(thrown).code });
    }
  }

  async #onRenewed({ from, body }: MeshFrame): Promise<void> {
    const { mesh, network, clock, logger, membership, onRenewed } = this.#options;
    const delegation = Uint8Array.from(body);
    try {
      const options = { network: network.did, member: mesh.self, nowMs: clock.nowMs() };
      const offered = await verifyMembership(delegation, options);
      if (isBetter(offered, membership().verified, this.#rule())) onRenewed(delegation, offered);
    } catch (error) {
      logger.warn("renewed membership not taken", { from, error });
    }
  }

  #rule(): RenewalRule {
    return { nowMs: this.#options.clock.nowMs(), lifetimeMs };
  }

  #remember(member: Did, nowMs: number): void {
    this.#answeredAtMs.delete(member);
    if (this.#answeredAtMs.size >= ANSWERED_COUNT_MAX) {
      const oldest = this.#answeredAtMs.keys().next();
      if (!oldest.done) this.#answeredAtMs.delete(oldest.value);
    }
    this.#answeredAtMs.set(member, nowMs);
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
