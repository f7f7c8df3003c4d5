import { createHash } from "node:crypto";
import { EasynetError, isEasynetError } from "../kernel/index.ts";
import { decodeCrockford, encodeCrockford } from "./crockford.ts";
import { INVITE_SECRET_BYTES, type Invite } from "./invite.ts";
import { didFromPublicKey, didToPublicKey } from "./keys.ts";

/** Layout of the bytes (docs/protocol/join.md); a later one gets the next number. In 1 the root key signed. */
const CODE_VERSION = 2;
const CHECKSUM_BYTES = 4;
const NAME_BYTES_MAX = 60;
/** Addresses in one code; further ones are left out. */
export const INVITE_ADDRESSES_COUNT_MAX = 6;
const ADDRESS_BYTES_MAX = 200;

const KIND_IP4 = 0;
const KIND_TEXT = 1;
/** Set for the address of another member than the issuer. */
const MEMBER_FLAG = 0x80;
const IP4_ADDRESS = /^\/ip4\/(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/tcp\/(\d{1,5})$/;

/** The text that people pass on. Addresses lose their `/p2p/…`: the issuer's key stands once, members prove theirs. */
export function encodeInviteCode(invite: Invite): string {
  const { network, issuer, secret, notBeforeSeconds, expiresSeconds, signature, networkName } = invite;
  const head = Buffer.alloc(1 + 32 + 32 + INVITE_SECRET_BYTES + 4 + 4 + 64);
  head.writeUInt8(CODE_VERSION, 0);
  head.set(didToPublicKey(network), 1);
  head.set(didToPublicKey(issuer), 33);
  head.set(secret, 65);
  head.writeUInt32BE(notBeforeSeconds, 81);
  head.writeUInt32BE(expiresSeconds - notBeforeSeconds, 85);
  head.set(signature, 89);
  const addresses = [
    ...invite.issuerAddresses.map((address) => encodeAddress(address, 0)),
    ...invite.memberAddresses.map((address) => encodeAddress(address, MEMBER_FLAG)),
  ]
    .filter((bytes) => bytes.length <= ADDRESS_BYTES_MAX)
    .slice(0, INVITE_ADDRESSES_COUNT_MAX);
  const name = clipName(networkName);
  const body = Buffer.concat([head, Uint8Array.of(name.length), name, Uint8Array.of(addresses.length), ...addresses]);
  return encodeCrockford(Buffer.concat([body, checksum(body)]));
}

/**
 * Reads a code in any case, with any spaces and dashes.
 * @throws {EasynetError} INVITE_INVALID with what is wrong, naming the group where it can
 */
export function parseInviteCode(text: string): Invite {
  const bytes = Buffer.from(decodeCrockford(text));
  const body = bytes.subarray(0, Math.max(0, bytes.length - CHECKSUM_BYTES));
  if (!checksum(body).equals(bytes.subarray(body.length))) {
    throw invalid("groups are missing, or more than one was mistyped");
  }
  try {
    return readBody(body);
  } catch (error) {
    if (isEasynetError(error, "INVITE_INVALID")) throw error;
    throw new EasynetError("INVITE_INVALID", { reason: "it holds no invitation" }, { cause: error });
  }
}

function readBody(body: Buffer): Invite {
  if (body.readUInt8(0) !== CODE_VERSION)
    throw invalid("it was made by another version; update easynet on both machines");
  const notBeforeSeconds = body.readUInt32BE(81);
  const expiresSeconds = notBeforeSeconds + body.readUInt32BE(85);
  let at = 153;
  const take = (count: number): Buffer => {
    if (at + count > body.length) throw invalid("it ends too early");
    at += count;
    return body.subarray(at - count, at);
  };
  const byte = (): number => take(1).readUInt8(0);
  const networkName = take(byte()).toString("utf8");
  const issuerAddresses: string[] = [];
  const memberAddresses: string[] = [];
  for (let count = byte(); count > 0; count--) {
    const kind = byte();
    const list = (kind & MEMBER_FLAG) === 0 ? issuerAddresses : memberAddresses;
    list.push(readAddress(kind & ~MEMBER_FLAG, take, byte));
  }
  if (at !== body.length) throw invalid("it is longer than what it holds");
  return {
    network: didFromPublicKey(body.subarray(1, 33)),
    networkName,
    issuer: didFromPublicKey(body.subarray(33, 65)),
    secret: Uint8Array.from(body.subarray(65, 81)),
    notBeforeSeconds,
    expiresSeconds,
    signature: Uint8Array.from(body.subarray(89, 153)),
    issuerAddresses,
    memberAddresses,
  };
}

function readAddress(kind: number, take: (count: number) => Buffer, byte: () => number): string {
  if (kind === KIND_IP4) {
    const bytes = take(6);
    return `/ip4/${[...bytes.subarray(0, 4)].join(".")}/tcp/${bytes.readUInt16BE(4)}`;
  }
  if (kind === KIND_TEXT) return take(byte()).toString("utf8");
  throw invalid("it holds an address of an unknown kind; update easynet");
}

function encodeAddress(address: string, flag: number): Uint8Array {
  const bare = address.replace(/\/p2p\/[^/]+$/, "");
  const match = IP4_ADDRESS.exec(bare);
  const numbers = match?.slice(1).map(Number);
  if (numbers?.slice(0, 4).every((part) => part < 256) && (numbers[4] ?? 65_536) < 65_536) {
    const [a = 0, b = 0, c = 0, d = 0, port = 0] = numbers;
    return Uint8Array.of(KIND_IP4 | flag, a, b, c, d, port >> 8, port & 255);
  }
  const text = Buffer.from(bare);
  return Uint8Array.of(KIND_TEXT | flag, text.length & 255, ...text);
}

/** At most 60 bytes of UTF-8, cut between characters. */
function clipName(name: string): Uint8Array {
  const bytes = new Uint8Array(NAME_BYTES_MAX);
  return bytes.subarray(0, new TextEncoder().encodeInto(name, bytes).written);
}

function checksum(body: Uint8Array): Buffer {
  return createHash("sha256").update("easynet-invite-code-1\n").update(body).digest().subarray(0, CHECKSUM_BYTES);
}

function invalid(reason: string): EasynetError {
  return new EasynetError("INVITE_INVALID", { reason });
}
