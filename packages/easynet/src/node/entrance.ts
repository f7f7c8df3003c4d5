import type { Did, KeyPair, Membership } from "../identity/index.ts";
import { type Clock, EasynetError, type Logger } from "../kernel/index.ts";
import type { Mesh, Stranger } from "../mesh/index.ts";
import type { Store } from "../storage/index.ts";
import type { Home } from "./home.ts";
import { Invitations } from "./invitations.ts";
import { JoinForwarding } from "./join-forwarding.ts";
import { JoinSharing } from "./join-sharing.ts";
import { MembershipRenewal } from "./membership-renewal.ts";
import { type Granter, issueMembershipFile, type NetworkAccess } from "./network.ts";
import type { MembershipFile, PendingJoinReport } from "./types.ts";

export interface EntranceOptions {
  readonly home: Home;
  readonly nodeKey: KeyPair;
  readonly access: NetworkAccess;
  readonly network: { readonly did: Did; readonly name: string };
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How machines get into the network of this node, and how it stays in itself. */
export class Entrance implements Disposable {
  readonly joining: Invitations;
  /** A machine without a code asks to be let in, for the first time. */
  onAsked: ((pending: PendingJoinReport) => void) | undefined;
  readonly #options: EntranceOptions;
  #mesh: Mesh | undefined;
  #forwarding: JoinForwarding | undefined;
  #renewal: MembershipRenewal | undefined;
  #sharing: JoinSharing | undefined;
  #delegation: Uint8Array;
  #verified: Membership;

  constructor(options: EntranceOptions) {
    const { access } = options;
    this.#options = options;
    this.#delegation = access.delegation;
    this.#verified = access.verified;
    this.joining = new Invitations({
      ...options,
      keyPair: options.nodeKey,
      granter: () => this.#granter(),
      addresses: () => this.#mesh?.addresses() ?? [],
      memberAddresses: () => this.#dialledAddresses(),
      onAsked: (pending) => this.onAsked?.(pending),
      onWaiting: (asking) => this.#sharing?.tell(asking),
      sendGrant: (to, joiner, grant) => this.#sharing?.sendGrant(to, joiner, grant),
    });
  }

  /** What makes this node a member now, for the mesh. */
  get membership(): Uint8Array {
    return this.#delegation;
  }

  /** True on the machine that created the network. */
  get holdsRoot(): boolean {
    return this.#options.access.root !== undefined;
  }

  /** @throws {EasynetError} INVITE_RIGHT_MISSING; INVALID_ARGUMENT when `member` is no did */
  async delegate(member: string): Promise<MembershipFile> {
    const { network, clock } = this.#options;
    const granter = this.#granter();
    if (!granter) throw new EasynetError("INVITE_RIGHT_MISSING", { network: network.name });
    const addresses = this.#mesh?.addresses() ?? [];
    return issueMembershipFile(granter, {
      member,
      networkName: network.name,
      addresses,
      mayInvite: true,
      nowMs: clock.nowMs(),
    });
  }

  /** Opens over a mesh that is not started yet. */
  open(mesh: Mesh): void {
    const { access, clock } = this.#options;
    this.#mesh = mesh;
    this.#forwarding = new JoinForwarding({ mesh, clock, answer: (stranger) => this.joining.answer(stranger) });
    this.#sharing = new JoinSharing({ ...this.#options, mesh, joining: this.joining });
    this.#renewal = new MembershipRenewal({
      ...this.#options,
      mesh,
      holdsRoot: access.root !== undefined,
      granter: () => this.#granter(),
      membership: () => ({ bytes: this.#delegation, verified: this.#verified }),
      onRenewed: (delegation, verified) => this.#keep(delegation, verified),
    });
  }

  /** The answer to a stranger: ours, or that of the issuer it names. */
  async answer(stranger: Stranger): Promise<Uint8Array> {
    if (!this.#forwarding) throw new EasynetError("NODE_STOPPING", {});
    return this.#forwarding.answer(stranger);
  }

  [Symbol.dispose](): void {
    this.#renewal?.[Symbol.dispose]();
  }

  /** The root key signs with fewer steps than the own membership. */
  #granter(): Granter | undefined {
    const { access, network, nodeKey } = this.#options;
    if (access.root) return { keyPair: access.root };
    if (!this.#verified.mayInvite) return undefined;
    return { keyPair: nodeKey, through: { network: network.did, membership: this.#delegation } };
  }

  #keep(delegation: Uint8Array, verified: Membership): void {
    const { home, access } = this.#options;
    this.#delegation = delegation;
    this.#verified = verified;
    // After `leave` there is none to keep.
    if (!home.membership()) return;
    home.saveMembership({ ...access.membership, delegation: Buffer.from(delegation).toString("base64") });
  }

  /** Where others dialled in from is no place to dial. */
  #dialledAddresses(): readonly string[] {
    const peers = this.#mesh?.peers() ?? [];
    return peers.flatMap((peer) => (peer.direction === "outbound" ? [peer.address] : []));
  }
}
