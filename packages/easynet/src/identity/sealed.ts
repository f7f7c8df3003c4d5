/** Bytes for one reader: HPKE (RFC 9180) to the key that a did names, so that who keeps them meanwhile cannot read them. */
import { EasynetError } from "../kernel/index.ts";
import { setupHpkeReceiver, setupHpkeSender } from "./hpke.ts";
import type { Did, KeyPair } from "./types.ts";
import { X25519_KEY_BYTES, x25519KeyOf, x25519KeyPairOf } from "./x25519.ts";

/** First byte: which suite, HPKE_SUITE_DEFAULT. A later suite gets another number. */
const FORM = 1;
/** Bytes that sealing adds: the form, the encapsulated key, the tag of the cipher. */
export const SEAL_OVERHEAD_BYTES = 1 + X25519_KEY_BYTES + 16;

export interface SealingOptions<Sender> {
  /** What it is for: what was sealed for one purpose does not open for another. */
  readonly purpose: string;
  /** Bytes that travel in the open beside it and must be the same when it is opened. @default none */
  readonly associated?: Uint8Array;
  /**
   * Proves who sealed, to the recipient and to nobody else (auth mode). A recipient whose key was stolen cannot rely on
   * it (RFC 9180 section 9.1.1): sign what must be proved to others.
   */
  readonly sender?: Sender;
}

/** @throws {EasynetError} INVALID_ARGUMENT when `recipient` is no key that can be sealed to */
export function sealTo(recipient: Did, plaintext: Uint8Array, options: SealingOptions<KeyPair>): Uint8Array {
  const { encapsulated, context } = setupHpkeSender({
    recipient: x25519KeyOf(recipient),
    info: infoOf(options.purpose),
    ...(options.sender && { sender: x25519KeyPairOf(options.sender) }),
  });
  return Buffer.concat([Uint8Array.of(FORM), encapsulated, context.seal(plaintext, options.associated)]);
}

/** @throws {EasynetError} SEAL_BROKEN, VERSION_UNSUPPORTED when it is of a form that we do not know */
export function openSealed(recipient: KeyPair, sealed: Uint8Array, options: SealingOptions<Did>): Uint8Array {
  if (sealed.length < SEAL_OVERHEAD_BYTES) throw broken();
  if (sealed[0] !== FORM) throw new EasynetError("VERSION_UNSUPPORTED", { offered: sealed[0] ?? 0, supported: FORM });
  const encapsulated = sealed.subarray(1, 1 + X25519_KEY_BYTES);
  const sender = options.sender && x25519KeyOf(options.sender);
  let context;
  try {
    context = setupHpkeReceiver({
      recipient: x25519KeyPairOf(recipient),
      encapsulated,
      info: infoOf(options.purpose),
      ...(sender && { sender }),
    });
  } catch (error) {
    throw broken(error);
  }
  return context.open(sealed.subarray(1 + X25519_KEY_BYTES), options.associated);
}

function infoOf(purpose: string): Uint8Array {
  return Buffer.from(`easynet/seal/${purpose}`);
}

function broken(cause?: unknown): EasynetError {
  return new EasynetError("SEAL_BROKEN", { subject: "A sealed message" }, { cause });
}
