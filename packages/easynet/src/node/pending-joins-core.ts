import type { Did } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";

/** Machines that wait for a person to let them in; a further one is refused with OVERLOADED. */
export const PENDING_COUNT_MAX = 16;
/** Of them from one address, so that one machine with many keys cannot shut out the others. */
export const PENDING_PER_HOST_MAX = 4;
/** How long a request stands, and how long an approval waits to be fetched, ms. */
export const PENDING_LIFETIME_MS = 600_000;

export interface PendingJoin {
  readonly did: Did;
  /** What the machine calls itself; anyone can choose any. */
  readonly name: string;
  readonly address: string;
  readonly askedAtMs: number;
  readonly approved: boolean;
  /** Approved to be a member that may not let others in. */
  readonly memberOnly: boolean;
}

/** What is to be done with a request; "approved": let it in. */
export type AskState = "approved" | "approved-member-only" | "new" | "waiting";

/** Requests to be let in without a code. Nothing about them is trusted; they wait until a person decides. */
export class PendingJoins {
  readonly #byDid = new Map<Did, PendingJoin>();

  /** @throws {EasynetError} OVERLOADED when too many wait already */
  ask(asking: Pick<PendingJoin, "did" | "name" | "address">, nowMs: number): AskState {
    const known = this.list(nowMs).find((pending) => pending.did === asking.did);
    if (known?.approved === true) return known.memberOnly ? "approved-member-only" : "approved";
    if (known) return "waiting";
    const host = hostOf(asking.address);
    const sameHostCount = [...this.#byDid.values()].filter(({ address }) => hostOf(address) === host).length;
    if (this.#byDid.size >= PENDING_COUNT_MAX || sameHostCount >= PENDING_PER_HOST_MAX) {
      throw new EasynetError("OVERLOADED", { subject: "The list of requests to join", queued: this.#byDid.size });
    }
    this.#byDid.set(asking.did, { ...asking, askedAtMs: nowMs, approved: false, memberOnly: false });
    return "new";
  }

  /** Those that still wait, and those approved that did not come back yet. */
  list(nowMs: number): readonly PendingJoin[] {
    for (const [did, { askedAtMs }] of this.#byDid) {
      if (nowMs - askedAtMs >= PENDING_LIFETIME_MS) this.#byDid.delete(did);
    }
    return [...this.#byDid.values()];
  }

  /**
   * Lets the machine of this did in; a name does where only one machine claims it.
   * @throws {EasynetError} JOIN_NOT_PENDING; INVALID_ARGUMENT when a name stands for several
   */
  approve(who: string, { nowMs, memberOnly }: { readonly nowMs: number; readonly memberOnly: boolean }): PendingJoin {
    const found = this.list(nowMs).filter(({ did, name }) => did === who || name === who);
    const exact = found.find(({ did }) => did === who) ?? found[0];
    if (!exact) throw new EasynetError("JOIN_NOT_PENDING", { who });
    if (exact.did !== who && found.length > 1) {
      const reason = `${found.length} machines claim it; name the did`;
      throw new EasynetError("INVALID_ARGUMENT", { subject: `The name ${who}`, reason });
    }
    const approved: PendingJoin = { ...exact, askedAtMs: nowMs, approved: true, memberOnly };
    this.#byDid.set(exact.did, approved);
    return approved;
  }
}

/** An address without its port and what follows. */
function hostOf(address: string): string {
  return address.replace(/\/(tcp|udp)\/.*$/, "").replace(/:\d+(#.*)?$/, "");
}
