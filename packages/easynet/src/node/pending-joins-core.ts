import type { Did } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";

/** Machines that wait for a person to let them in; a further one is refused with OVERLOADED. */
export const PENDING_COUNT_MAX = 16;
/** Of them from one address, or told by one member, so that one machine with many keys cannot shut out the others. */
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
  /** The member that was asked and told of it; undefined = this node was asked. */
  readonly via: Did | undefined;
  /** The membership, where it is made at once: by the member that approves, for the one that was asked. */
  readonly grant: Uint8Array | undefined;
}

/** Who asks, in its own words, and whom. */
export type Asking = Pick<PendingJoin, "did" | "name" | "address"> & { readonly via?: Did };

/** What is to be done with a request. */
export interface AskState {
  /** "approved": let it in. */
  readonly kind: "approved" | "new" | "waiting";
  readonly pending: PendingJoin;
}

/** Requests to be let in without a code. Nothing about them is trusted; they wait until a person decides. */
export class PendingJoins {
  readonly #byDid = new Map<Did, PendingJoin>();

  /** @throws {EasynetError} OVERLOADED when too many wait already */
  ask({ did, name, address, via }: Asking, nowMs: number): AskState {
    const known = this.list(nowMs).find((pending) => pending.did === did);
    // Whoever asks this node itself is no longer another one's matter.
    if (known && (known.via === undefined || via !== undefined)) {
      return { kind: known.approved ? "approved" : "waiting", pending: known };
    }
    const pending: PendingJoin = {
      did,
      name,
      address,
      askedAtMs: nowMs,
      approved: false,
      memberOnly: false,
      via,
      grant: undefined,
    };
    const source = sourceOf(pending);
    const sameSourceCount = [...this.#byDid.values()].filter((other) => sourceOf(other) === source).length;
    if (this.#byDid.size >= PENDING_COUNT_MAX || sameSourceCount >= PENDING_PER_HOST_MAX) {
      throw new EasynetError("OVERLOADED", { subject: "The list of requests to join", queued: this.#byDid.size });
    }
    this.#byDid.set(did, pending);
    return { kind: "new", pending };
  }

  /** Keeps the membership that a machine is to get; nothing when it no longer waits. */
  grant(did: Did, grant: Uint8Array): void {
    const pending = this.#byDid.get(did);
    if (pending) this.#byDid.set(did, { ...pending, approved: true, grant });
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

function sourceOf({ via, address }: PendingJoin): string {
  return via ?? hostOf(address);
}

/** An address without its port and what follows. */
function hostOf(address: string): string {
  return address.replace(/\/(tcp|udp)\/.*$/, "").replace(/:\d+(#.*)?$/, "");
}
