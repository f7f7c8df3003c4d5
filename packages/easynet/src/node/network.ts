import { issueMembership, type KeyPair, parseDid, verifyMembership } from "../identity/index.ts";
import { type Clock, EasynetError } from "../kernel/index.ts";
import type { Home } from "./home.ts";
import type { MembershipFile } from "./types.ts";

/** 30 days: renewal over the network comes with trust (permissions, revocation); until then a member is asked anew. */
const MEMBERSHIP_TIME_TO_LIVE_MS = 30 * 86_400_000;

export interface NetworkAccess {
  readonly membership: MembershipFile;
  /** UCAN delegation of `membership`, DAG-CBOR bytes. */
  readonly delegation: Uint8Array;
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
  if (stored && !root) {
    const delegation = Buffer.from(stored.delegation, "base64");
    await verifyMembership(delegation, {
      network: parseDid(stored.network),
      member: nodeKey.did,
      nowMs: clock.nowMs(),
    });
    return { membership: stored, delegation };
  }
  const key = root ?? home.createRootKey();
  const membership = await issueMembershipFile(key, {
    member: nodeKey.did,
    networkName: stored?.networkName ?? networkName,
    addresses: stored?.addresses ?? [],
    nowMs: clock.nowMs(),
  });
  home.saveMembership(membership);
  return { membership, delegation: Buffer.from(membership.delegation, "base64") };
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
  if (!root) throw new EasynetError("ROOT_KEY_MISSING", { network });
  return root;
}
