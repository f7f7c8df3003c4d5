import {
  type Did,
  encodeInviteCode,
  issueInvite,
  type KeyPair,
  verifyInviteProof,
  verifyMembership,
} from "../identity/index.ts";
import { type Clock, EasynetError, type Logger, toEasynetError } from "../kernel/index.ts";
import type { Stranger } from "../mesh/index.ts";
import type { Store } from "../storage/index.ts";
import { InviteBook } from "./invite-book.ts";
import type { InviteRecord } from "./invite-record-core.ts";
import { decodeJoinRequest, encodeJoinAnswer, type JoinAnswer, type JoinRequest } from "./join-messages.ts";
import { type Granter, issueMembershipFile } from "./network.ts";
import { type Asking, type PendingJoin, PendingJoins } from "./pending-joins-core.ts";
import type { ApproveOptions, InviteOptions, InviteReport, Joining, PendingJoinReport } from "./types.ts";

const INVITE_LIFETIME_MS_DEFAULT = 15 * 60_000;
/** A week: long enough to carry a code somewhere, short enough that a lost one dies by itself. */
const INVITE_LIFETIME_MS_MAX = 7 * 86_400_000;
const INVITE_LIFETIME_MS_MIN = 10_000;
const INVITE_USES_MAX = 100;
/** Addresses of the issuer and of other members in one code: each makes it longer. */
const ISSUER_ADDRESSES_COUNT_MAX = 3;
const MEMBER_ADDRESSES_COUNT_MAX = 2;
/** How often a machine that waits for a person asks again, ms. */
const RETRY_AFTER_MS = 2000;

export interface InvitationsOptions {
  /** The key of this node, which signs its invitations. */
  readonly keyPair: KeyPair;
  readonly network: { readonly did: Did; readonly name: string };
  /** What memberships are signed with now; undefined: this node lets nobody in. */
  readonly granter: () => Granter | undefined;
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Where this node is reached. */
  readonly addresses: () => readonly string[];
  /** Where other members are reached. */
  readonly memberAddresses: () => readonly string[];
  /** A machine without a code asks to be let in, for the first time. */
  readonly onAsked?: (pending: PendingJoinReport) => void;
  /** A machine asks this node and waits for a person, who may sit at another one. */
  readonly onWaiting?: (asking: Asking) => void;
  /** Gives the member that was asked what it is to answer. */
  readonly sendGrant?: (to: Did, joiner: Did, grant: Uint8Array) => void;
}

/** Lets machines into the network: by a code that was given out, or because a person approved them. */
export class Invitations implements Joining {
  readonly #options: InvitationsOptions;
  readonly #book: InviteBook;
  readonly #pending = new PendingJoins();

  constructor(options: InvitationsOptions) {
    this.#options = options;
    this.#book = new InviteBook(options.store);
  }

  async invite(wanted: InviteOptions = {}): Promise<InviteReport> {
    const { clock, keyPair, network, addresses, memberAddresses } = this.#options;
    const { uses = 1, expiresMs = INVITE_LIFETIME_MS_DEFAULT, memberOnly = false } = wanted;
    checkRange("The number of uses", uses, { min: 1, max: INVITE_USES_MAX, unit: "" });
    const range = { min: INVITE_LIFETIME_MS_MIN, max: INVITE_LIFETIME_MS_MAX, unit: " ms" };
    checkRange("The lifetime of an invitation", expiresMs, range);
    this.#requireRight();
    const nowMs = clock.nowMs();
    const issued = await issueInvite(keyPair, {
      network: network.did,
      networkName: network.name,
      nowMs,
      timeToLiveMs: expiresMs,
      issuerAddresses: addresses().slice(0, ISSUER_ADDRESSES_COUNT_MAX),
      memberAddresses: memberAddresses().slice(0, MEMBER_ADDRESSES_COUNT_MAX),
    });
    const expiresAtMs = issued.expiresSeconds * 1000;
    const record: InviteRecord = { usesMax: uses, expiresAtMs, revoked: false, memberOnly, joiners: [] };
    // BEFORE the code is known to anybody: who shows it must find it.
    await this.#book.add(issued.key, record, nowMs);
    return { ...reportOf(issued.key, record), code: encodeInviteCode(issued) };
  }

  invites(): readonly InviteReport[] {
    return this.#book.list(this.#options.clock.nowMs()).map(([key, record]) => reportOf(key, record));
  }

  async revoke(id: string): Promise<InviteReport> {
    const found = this.#book.list(this.#options.clock.nowMs()).find(([key]) => inviteId(key) === id);
    if (!found) {
      const reason = "no such invitation holds; see easynet invite --list";
      throw new EasynetError("INVALID_ARGUMENT", { subject: `The invitation ${id}`, reason });
    }
    const [key, record] = found;
    await this.#book.revoke(key);
    return reportOf(key, { ...record, revoked: true });
  }

  pending(): readonly PendingJoinReport[] {
    this.#requireRight();
    return this.#pending.list(this.#options.clock.nowMs()).map(reportPending);
  }

  async approve(who: string, { memberOnly = false }: ApproveOptions = {}): Promise<PendingJoinReport> {
    const granter = this.#requireRight();
    const { clock, logger, sendGrant } = this.#options;
    const approved = this.#pending.approve(who, { nowMs: clock.nowMs(), memberOnly });
    const { did, name, via } = approved;
    if (via !== undefined) {
      // Made here, by whoever approves: the member that was asked need not have the right.
      const grant = await this.#membershipFor(granter, did, !memberOnly);
      this.#pending.grant(did, grant);
      sendGrant?.(via, did, grant);
    }
    logger.info("machine approved", { did, name, via });
    return reportPending(approved);
  }

  /** Another member was asked. Returns the membership that was approved here already, should it have got lost. */
  hear(asking: Asking & { readonly via: Did }): Uint8Array | undefined {
    if (!this.#options.granter()) return undefined;
    const { kind, pending } = this.#pending.ask(asking, this.#options.clock.nowMs());
    if (kind === "new") this.#options.onAsked?.(reportPending(pending));
    return pending.grant;
  }

  /** Another member approved a machine that waits here. @throws {EasynetError} MEMBERSHIP_INVALID */
  async takeGrant(joiner: Did, grant: Uint8Array): Promise<void> {
    const { network, clock } = this.#options;
    await verifyMembership(grant, { network: network.did, member: joiner, nowMs: clock.nowMs() });
    this.#pending.grant(joiner, grant);
  }

  /** The answer to a stranger, as bytes; whatever goes wrong is an answer too. */
  async answer(stranger: Stranger): Promise<Uint8Array> {
    const { did, address, request } = stranger;
    try {
      return encodeJoinAnswer(await this.#decide(decodeJoinRequest(request), did, address));
    } catch (thrown) {
      const error = toEasynetError(thrown);
      this.#options.logger.warn("request to join refused", { did, address, code: error.code });
      // What went wrong inside us is not told to strangers.
      const inside = error.code === "INTERNAL" || error.code.startsWith("STORAGE_");
      return encodeJoinAnswer({ kind: "refused", error: inside ? this.#refusal("it failed to answer") : error });
    }
  }

  async #decide(request: JoinRequest, joiner: Did, address: string): Promise<JoinAnswer> {
    const { network, clock, keyPair } = this.#options;
    const granter = this.#options.granter();
    if (request.network !== undefined && request.network !== network.did) {
      throw new EasynetError("NETWORK_MISMATCH", { peer: keyPair.did, network: request.network });
    }
    const nowMs = clock.nowMs();
    if (request.proof) {
      if (!granter) throw this.#refusal("it may not let machines into its network; ask another member");
      await verifyInviteProof(request.proof, { network: network.did, issuer: keyPair.did, joiner, nowMs });
      const { memberOnly } = await this.#book.redeem(request.proof.inviteKey, joiner, nowMs);
      return this.#grant(joiner, await this.#membershipFor(granter, joiner, !memberOnly));
    }
    const asking: Asking = { did: joiner, name: request.name, address };
    const { kind, pending } = this.#pending.ask(asking, nowMs);
    if (kind === "approved" && pending.grant) return this.#grant(joiner, pending.grant);
    if (kind === "approved" && granter) {
      return this.#grant(joiner, await this.#membershipFor(granter, joiner, !pending.memberOnly));
    }
    // Who cannot approve it need not be told.
    if (kind === "new" && granter) this.#options.onAsked?.(reportPending(pending));
    this.#options.onWaiting?.(asking);
    return { kind: "pending", retryAfterMs: RETRY_AFTER_MS };
  }

  #grant(member: Did, delegation: Uint8Array): JoinAnswer {
    const { network, addresses, memberAddresses, logger } = this.#options;
    logger.info("machine let in", { did: member });
    return {
      kind: "granted",
      network: network.did,
      networkName: network.name,
      delegation,
      addresses: [...addresses(), ...memberAddresses()],
    };
  }

  async #membershipFor(granter: Granter, member: Did, mayInvite: boolean): Promise<Uint8Array> {
    const { network, clock } = this.#options;
    const options = { member, mayInvite, networkName: network.name, addresses: [], nowMs: clock.nowMs() };
    const { delegation } = await issueMembershipFile(granter, options);
    return Uint8Array.from(Buffer.from(delegation, "base64"));
  }

  #requireRight(): Granter {
    const granter = this.#options.granter();
    if (!granter) throw new EasynetError("INVITE_RIGHT_MISSING", { network: this.#options.network.name });
    return granter;
  }

  #refusal(reason: string): EasynetError {
    return new EasynetError("JOIN_REFUSED", { peer: this.#options.keyPair.did, reason });
  }
}

function reportPending({ did, name, address, askedAtMs, approved, memberOnly, via }: PendingJoin): PendingJoinReport {
  return { did, name, address, askedAtMs, approved, memberOnly, ...(via !== undefined && { via }) };
}

function reportOf(key: Did, { joiners, ...told }: InviteRecord): InviteReport {
  return { id: inviteId(key), joined: joiners, ...told };
}

/** Short enough to type; the last characters of the invitation's key. */
function inviteId(key: Did): string {
  return key.slice(-8);
}

function checkRange(
  subject: string,
  value: number,
  { min, max, unit }: { readonly min: number; readonly max: number; readonly unit: string },
): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new EasynetError("INVALID_ARGUMENT", { subject, reason: `${value}${unit} is not ${min} to ${max}${unit}` });
}
