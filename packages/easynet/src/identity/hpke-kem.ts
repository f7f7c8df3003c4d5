/** DHKEM(X25519, HKDF-SHA256) of HPKE (RFC 9180 sections 4.1 and 7.1): how both sides get one shared secret. */
import { labeledKdf, numberBytes } from "./hpke-kdf.ts";
import { generateX25519KeyPair, X25519_KEY_BYTES, type X25519KeyPair, x25519KeyPair } from "./x25519.ts";

/** DHKEM(X25519, HKDF-SHA256) in the registry of RFC 9180 section 7.1. */
export const KEM_ID = 0x20;

const EMPTY = new Uint8Array();
const kdf = labeledKdf("sha256", Buffer.concat([Buffer.from("KEM"), numberBytes(KEM_ID, 2)]));

export interface EncapsulateOptions {
  /** X25519 public key, 32 bytes. */
  readonly recipient: Uint8Array;
  /** Proves who seals (auth mode). */
  readonly sender?: X25519KeyPair;
  /** For test vectors only: one that is used twice gives the secret away. @default a new one */
  readonly ephemeral?: X25519KeyPair;
}

/** Encap and AuthEncap. @throws {EasynetError} INVALID_ARGUMENT when the recipient's key is none */
export function encapsulate({ recipient, sender, ephemeral = generateX25519KeyPair() }: EncapsulateOptions): {
  readonly secret: Uint8Array;
  /** 32 bytes that the recipient needs. */
  readonly encapsulated: Uint8Array;
} {
  const encapsulated = ephemeral.publicKey;
  const agreed = [ephemeral.agree(recipient), sender?.agree(recipient) ?? EMPTY];
  return { secret: derive(agreed, [encapsulated, recipient, sender?.publicKey ?? EMPTY]), encapsulated };
}

export interface DecapsulateOptions {
  readonly recipient: X25519KeyPair;
  readonly encapsulated: Uint8Array;
  /** X25519 public key of whoever must have sealed (auth mode). */
  readonly sender?: Uint8Array;
}

/** Decap and AuthDecap. @throws {EasynetError} INVALID_ARGUMENT */
export function decapsulate({ recipient, encapsulated, sender }: DecapsulateOptions): Uint8Array {
  const agreed = [recipient.agree(encapsulated), sender ? recipient.agree(sender) : EMPTY];
  return derive(agreed, [encapsulated, recipient.publicKey, sender ?? EMPTY]);
}

/** DeriveKeyPair (section 7.1.3): a pair from at least 32 secret bytes. */
export function deriveHpkeKeyPair(secret: Uint8Array): X25519KeyPair {
  const key = kdf.extract(EMPTY, "dkp_prk", secret);
  return x25519KeyPair(kdf.expand(key, "sk", { info: EMPTY, length: X25519_KEY_BYTES }));
}

function derive(agreed: readonly Uint8Array[], context: readonly Uint8Array[]): Uint8Array {
  const key = kdf.extract(EMPTY, "eae_prk", Buffer.concat(agreed));
  return kdf.expand(key, "shared_secret", { info: Buffer.concat(context), length: 32 });
}
