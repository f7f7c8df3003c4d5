import { issueMembership, type KeyPair, parseDid, verifyMembership } from "../identity/index.ts";
import { type Clock, EasynetError } from "../kernel/index.ts";
import type { Home } from "./home.ts";
import type { MembershipFile } from "./types.ts";

/** 30 days; members renew theirs over their links long before (membership-renewal.ts). */
export const MEMBERSHIP_TIME_TO_LIVE_MS = 30 * 86_400_000;

export interface NetworkAccess {
  readonly membership: MembershipFile;
  /** UCAN delegation of `membership`, DAG-CBOR bytes. */
  readonly delegation: Uint8Array;
  readonly expiresAtMs: number;
  /** The root key of this very network, if this machine holds it. */
  readonly root: KeyPair | undefined;
}

/**
 * The network that this machine is in. Without one it creates its own: a fresh root key whose did is the network's
 * id, and a membership for this node signed by it. @throws {EasynetError} MEMBERSHIP_INVALID when it has expired and
 * this machine cannot renew it
 */
export async function openNetwork(
  home: Home,
  nodeKey: KeyPair,
  options: { readonly clock: Clock; readonly networkName: string },
): Promise<NetworkAccess> {
  const { clock, networkName } = options;
  const stored = home.membership();
  const root = home.rootKey();
  // The root key of another network, which this machine created and left, stays in the folder and says nothing here.
  if (stored && stored.network !== root?.did) {
    const delegation = Buffer.from(stored.delegation, "base64");
    const { expiresAtMs } = await verifyMembership(delegation, {
      network: parseDid(stored.network),
      member: nodeKey.did,
      nowMs: clock.nowMs(),
    });
    return { membership: stored, delegation, expiresAtMs, root: undefined };
  }
  const key = root ?? home.createRootKey();
  const membership = await issueMembershipFile(key, {
    member: nodeKey.did,
    networkName: stored?.networkName ?? networkName,
    addresses: stored?.addresses ?? [],
    nowMs: clock.nowMs(),
  });
  home.saveMembership(membership);
  const expiresAtMs = clock.nowMs() + MEMBERSHIP_TIME_TO_LIVE_MS;
  return { membership, delegation: Buffer.from(membership.delegation, "base64"), expiresAtMs, root: key };
}

export interface MembershipOptions {
  readonly member: string;
  readonly networkName: string;
  readonly addresses: readonly string[];
  readonly nowMs: number;
}

/** A membership signed by the network's root key. @throws {EasynetError} INVALID_ARGUMENT when `member` is no did */
export async function issueMembershipFile(root: KeyPair, options: MembershipOptions): Promise<MembershipFile> {
  const delegation = await issueMembership(root, parseDid(options.member), {
    nowMs: options.nowMs,
    timeToLiveMs: MEMBERSHIP_TIME_TO_LIVE_MS,
  });
  return {
    network: root.did,
    networkName: options.networkName,
    member: options.member,
    delegation: Buffer.from(delegation).toString("base64"),
    addresses: [...options.addresses],
  };
}

/** @throws {EasynetError} ROOT_KEY_MISSING on a machine that did not create the network */
export function requireRootKey(home: Home, network: string): KeyPair {
  const root = home.rootKey();
  if (root?.did !== network) throw new EasynetError("ROOT_KEY_MISSING", { network });
  return root;
}
