import {
  type Did,
  type Invite,
  type KeyPair,
  parseInviteCode,
  proveInvite,
  verifyMembership,
} from "../identity/index.ts";
import {
  type Clock,
  EasynetError,
  isEasynetError,
  silentLogger,
  systemClock,
  toEasynetError,
} from "../kernel/index.ts";
import { askToJoin, createFabric, type Fabric } from "../mesh/index.ts";
import { noMetrics } from "../kernel/index.ts";
import type { LoadedConfig } from "./config.ts";
import { Home } from "./home.ts";
import { decodeJoinAnswer, encodeJoinRequest, type JoinAnswer } from "./join-messages.ts";
import { nodeNameFor } from "./node-name.ts";
import type { MembershipFile } from "./types.ts";

/** From the dial of one address to its answer, ms. */
const ASK_TIMEOUT_MS = 8000;
const ADDRESSES_COUNT_MAX = 64;
/** A machine that nobody approves gives up after this, ms: as long as a request stands at the other end. */
const APPROVAL_TIMEOUT_MS = 600_000;

export interface JoinOptions {
  /** As `easynet invite` printed it. */
  readonly code: string;
  readonly signal?: AbortSignal;
  /** @default systemClock */
  readonly clock?: Clock;
}

export interface AskApprovalOptions {
  /** Where a node of the network is, `host:port#did` or a multiaddr. */
  readonly address: string;
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  /** The other end waits for a person; called once. */
  readonly onPending: (asked: { readonly own: Did; readonly issuer: Did }) => void;
}

/** Where to ask; the issuer's answer is final, that of somebody else is not. */
interface Door {
  readonly address: string;
  readonly expected: Did | undefined;
}

/**
 * Makes this machine a member by a code, and keeps the membership in its folder; no node is started. A second time with
 * a code of the same network changes nothing.
 * @throws {EasynetError} INVITE_*, ALREADY_MEMBER, NODE_ALREADY_RUNNING, PEER_UNREACHABLE naming each address
 */
export async function joinNetwork(loaded: LoadedConfig, options: JoinOptions): Promise<MembershipFile> {
  const { clock = systemClock, signal } = options;
  const invite = parseInviteCode(options.code);
  const home = new Home(loaded.value.home);
  using _lock = home.lock();
  const existing = home.membership();
  if (existing?.network === invite.network) return existing;
  if (existing) throw new EasynetError("ALREADY_MEMBER", { network: existing.networkName });
  const nodeKey = home.nodeKey();
  const proof = await proveInvite(invite, { joiner: nodeKey.did, nowMs: clock.nowMs() });
  const name = loaded.value.name ?? nodeNameFor(nodeKey.did);
  const request = encodeJoinRequest({ network: invite.network, issuer: invite.issuer, name, proof });
  const fabric = await dialOnly(nodeKey, clock);
  try {
    const ask = async (door: Door): Promise<JoinAnswer> => askDoor(door, { fabric, request, clock, signal });
    const granted = await askInTurn(doorsOf(invite), ask, invite.issuer);
    return await keep(home, granted, { nodeKey, network: invite.network, clock });
  } finally {
    await fabric.stop();
  }
}

/**
 * Asks a node to be let in without a code and waits until a person approves it there.
 * @throws {EasynetError} JOIN_REFUSED, ALREADY_MEMBER, DEADLINE_EXCEEDED, CANCELLED, PEER_UNREACHABLE
 */
export async function askForApproval(loaded: LoadedConfig, options: AskApprovalOptions): Promise<MembershipFile> {
  const { clock = systemClock, signal, address, onPending } = options;
  const home = new Home(loaded.value.home);
  using _lock = home.lock();
  const existing = home.membership();
  if (existing) throw new EasynetError("ALREADY_MEMBER", { network: existing.networkName });
  const nodeKey = home.nodeKey();
  const name = loaded.value.name ?? nodeNameFor(nodeKey.did);
  const request = encodeJoinRequest({ network: undefined, issuer: undefined, name, proof: undefined });
  const fabric = await dialOnly(nodeKey, clock);
  try {
    const startedAtMs = clock.monotonicMs();
    let issuer: Did | undefined;
    while (clock.monotonicMs() - startedAtMs < APPROVAL_TIMEOUT_MS) {
      const { by, answer } = await askOnce({ address, expected: issuer }, { fabric, request, clock, signal });
      if (answer.kind === "granted") return await keep(home, answer, { nodeKey, network: answer.network, clock });
      if (answer.kind === "refused") throw answer.error;
      // From here on only the key that a person was shown may answer.
      if (issuer === undefined) onPending({ own: nodeKey.did, issuer: by });
      issuer = by;
      await pause(clock, answer.retryAfterMs, signal);
    }
    throw new EasynetError("DEADLINE_EXCEEDED", { subject: "The approval", timeoutMs: APPROVAL_TIMEOUT_MS });
  } finally {
    await fabric.stop();
  }
}

async function dialOnly(keyPair: KeyPair, clock: Clock): Promise<Fabric> {
  const fabric = await createFabric({
    keyPair,
    listenAddresses: [],
    clock,
    logger: silentLogger,
    metrics: noMetrics,
  });
  await fabric.start();
  return fabric;
}

function doorsOf(invite: Invite): readonly Door[] {
  return [
    ...invite.issuerAddresses.map((address) => ({ address, expected: invite.issuer })),
    ...invite.memberAddresses.map((address) => ({ address, expected: undefined })),
  ];
}

/** Tries each address; what the issuer itself says is final. */
async function askInTurn(
  doors: readonly Door[],
  ask: (door: Door) => Promise<JoinAnswer>,
  issuer: Did,
): Promise<JoinAnswer & { kind: "granted" }> {
  const failures: string[] = [];
  for (const door of doors) {
    try {
      const answer = await ask(door);
      if (answer.kind === "granted") return answer;
      if (answer.kind === "refused" && door.expected !== undefined) throw answer.error;
      failures.push(`${door.address}: ${answer.kind === "refused" ? answer.error.message : "it waits for a person"}`);
    } catch (thrown) {
      const error = toEasynetError(thrown);
      if (isFinal(error)) throw error;
      failures.push(`${door.address}: ${reasonOf(error)}`);
    }
  }
  const reason = failures.length === 0 ? "the invitation holds no address" : failures.join("; ");
  throw new EasynetError("PEER_UNREACHABLE", { peer: issuer, reason });
}

/** The issuer has spoken, or the user: other addresses lead to nothing else. */
function isFinal(error: EasynetError): boolean {
  return error.code.startsWith("INVITE_") || error.code === "NETWORK_MISMATCH" || error.code === "CANCELLED";
}

function reasonOf(error: EasynetError): string {
  const { reason } = error.details;
  return isEasynetError(error, "PEER_UNREACHABLE") && typeof reason === "string" ? reason : error.message;
}

interface AskPorts {
  readonly fabric: Fabric;
  readonly request: Uint8Array;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

async function askDoor(door: Door, ports: AskPorts): Promise<JoinAnswer> {
  return (await askOnce(door, ports)).answer;
}

async function askOnce(door: Door, ports: AskPorts): Promise<{ readonly by: Did; readonly answer: JoinAnswer }> {
  if (ports.signal?.aborted) throw new EasynetError("CANCELLED", { subject: "easynet join" });
  const { by, answer } = await askToJoin({ ...ports, ...door, timeoutMs: ASK_TIMEOUT_MS });
  return { by, answer: decodeJoinAnswer(answer) };
}

/** Nothing is kept that does not make this machine a member. @throws {EasynetError} MEMBERSHIP_INVALID */
async function keep(
  home: Home,
  granted: JoinAnswer & { kind: "granted" },
  options: { readonly nodeKey: KeyPair; readonly network: Did; readonly clock: Clock },
): Promise<MembershipFile> {
  const { nodeKey, network, clock } = options;
  await verifyMembership(granted.delegation, { network, member: nodeKey.did, nowMs: clock.nowMs() });
  const file: MembershipFile = {
    network,
    networkName: granted.networkName,
    member: nodeKey.did,
    delegation: Buffer.from(granted.delegation).toString("base64"),
    addresses: [...new Set(granted.addresses)].slice(0, ADDRESSES_COUNT_MAX),
  };
  home.saveMembership(file);
  return file;
}

async function pause(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      timer.cancel();
      reject(new EasynetError("CANCELLED", { subject: "easynet join" }));
    };
    const timer = clock.setTimer(ms, () => {
      signal?.removeEventListener("abort", stop);
      resolve();
    });
    signal?.addEventListener("abort", stop, { once: true });
  });
}
