/**
 * Hybrid public key encryption (RFC 9180), modes base and auth, on node:crypto alone: the vectors of the RFC are a suite
 * (`npm run suites -- hpke`). Modes with a pre-shared key are absent: nothing of ours has one.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { EasynetError } from "../kernel/index.ts";
import { type HpkeHash, labeledKdf, numberBytes } from "./hpke-kdf.ts";
import { decapsulate, type DecapsulateOptions, encapsulate, type EncapsulateOptions, KEM_ID } from "./hpke-kem.ts";

/** Registries of RFC 9180 sections 7.2 and 7.3. */
const KDFS = { sha256: { id: 1, bytes: 32 }, sha512: { id: 3, bytes: 64 } } as const;
const AEADS = {
  "aes-128-gcm": { id: 1, keyBytes: 16 },
  "aes-256-gcm": { id: 2, keyBytes: 32 },
  "chacha20-poly1305": { id: 3, keyBytes: 32 },
} as const;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const MODE_BASE = 0;
const MODE_AUTH = 2;
const EMPTY = new Uint8Array();

/** The KEM is always DHKEM(X25519, HKDF-SHA256). */
export interface HpkeSuite {
  readonly hash: HpkeHash;
  readonly aead: keyof typeof AEADS;
}

/** Fast wherever the processor knows AES, and the one that most libraries have. */
export const HPKE_SUITE_DEFAULT: HpkeSuite = { hash: "sha256", aead: "aes-256-gcm" };

interface SetupOptions {
  /** @default HPKE_SUITE_DEFAULT */
  readonly suite?: HpkeSuite;
  /** What both sides must agree on beside the keys; goes into every key. @default empty */
  readonly info?: Uint8Array;
}

/** One direction: the sender seals, the receiver opens in the same order. Each message has a nonce of its own. */
export interface HpkeContext {
  /** The plaintext's length and 16 bytes more. @throws {EasynetError} OVERLOADED after 2^53 - 1 messages */
  seal(plaintext: Uint8Array, associated?: Uint8Array): Uint8Array;
  /** What fails to open does not count: the next one may. @throws {EasynetError} SEAL_BROKEN */
  open(sealed: Uint8Array, associated?: Uint8Array): Uint8Array;
  /** A secret that both sides can make (section 5.3). @param length bytes */
  export(context: Uint8Array, length: number): Uint8Array;
}

/** SetupBaseS, or SetupAuthS with a sender. @throws {EasynetError} INVALID_ARGUMENT when a key is none */
export function setupHpkeSender({ suite, info, ...keys }: SetupOptions & EncapsulateOptions): {
  readonly encapsulated: Uint8Array;
  readonly context: HpkeContext;
} {
  const { secret, encapsulated } = encapsulate(keys);
  const mode = keys.sender ? MODE_AUTH : MODE_BASE;
  return { encapsulated, context: schedule({ suite, info, mode, secret }) };
}

/** SetupBaseR, or SetupAuthR with a sender. @throws {EasynetError} INVALID_ARGUMENT when a key is none */
export function setupHpkeReceiver({ suite, info, ...keys }: SetupOptions & DecapsulateOptions): HpkeContext {
  return schedule({ suite, info, mode: keys.sender ? MODE_AUTH : MODE_BASE, secret: decapsulate(keys) });
}

interface ScheduleOptions {
  readonly suite: HpkeSuite | undefined;
  readonly info: Uint8Array | undefined;
  readonly mode: number;
  readonly secret: Uint8Array;
}

/** KeySchedule (section 5.1) without a pre-shared key. */
function schedule({ suite = HPKE_SUITE_DEFAULT, info = EMPTY, mode, secret }: ScheduleOptions): HpkeContext {
  const { id, keyBytes } = AEADS[suite.aead];
  const ids = [KEM_ID, KDFS[suite.hash].id, id].map((each) => numberBytes(each, 2));
  const kdf = labeledKdf(suite.hash, Buffer.concat([Buffer.from("HPKE"), ...ids]));
  const context = Buffer.concat([
    Uint8Array.of(mode),
    kdf.extract(EMPTY, "psk_id_hash", EMPTY),
    kdf.extract(EMPTY, "info_hash", info),
  ]);
  const root = kdf.extract(secret, "secret", EMPTY);
  const derive = (label: string, length: number): Uint8Array => kdf.expand(root, label, { info: context, length });
  const cipher = new Cipher(suite.aead, derive("key", keyBytes), derive("base_nonce", NONCE_BYTES));
  const exporter = derive("exp", KDFS[suite.hash].bytes);
  return {
    seal: (plaintext, associated = EMPTY) => cipher.seal(plaintext, associated),
    open: (sealed, associated = EMPTY) => cipher.open(sealed, associated),
    export: (exportContext, length) => kdf.expand(exporter, "sec", { info: exportContext, length }),
  };
}

/** The AEAD of a context with its counter (section 5.2). */
class Cipher {
  readonly #aead: keyof typeof AEADS;
  readonly #key: Uint8Array;
  readonly #baseNonce: Uint8Array;
  #sequence = 0;

  constructor(aead: keyof typeof AEADS, key: Uint8Array, baseNonce: Uint8Array) {
    this.#aead = aead;
    this.#key = key;
    this.#baseNonce = baseNonce;
  }

  seal(plaintext: Uint8Array, associated: Uint8Array): Uint8Array {
    const [options, nonce] = [{ authTagLength: TAG_BYTES }, this.#nonce()];
    // Two overloads of node:crypto with the same calls.
    const cipher =
      this.#aead === "chacha20-poly1305"
        ? createCipheriv(this.#aead, this.#key, nonce, options)
        : createCipheriv(this.#aead, this.#key, nonce, options);
    cipher.setAAD(associated, { plaintextLength: plaintext.length });
    const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    this.#sequence += 1;
    return sealed;
  }

  open(sealed: Uint8Array, associated: Uint8Array): Uint8Array {
    const end = sealed.length - TAG_BYTES;
    if (end < 0) throw broken();
    const [options, nonce] = [{ authTagLength: TAG_BYTES }, this.#nonce()];
    const decipher =
      this.#aead === "chacha20-poly1305"
        ? createDecipheriv(this.#aead, this.#key, nonce, options)
        : createDecipheriv(this.#aead, this.#key, nonce, options);
    decipher.setAAD(associated, { plaintextLength: end });
    decipher.setAuthTag(sealed.subarray(end));
    const opened = decipher.update(sealed.subarray(0, end));
    try {
      decipher.final();
    } catch (error) {
      throw broken(error);
    }
    this.#sequence += 1;
    return opened;
  }

  #nonce(): Uint8Array {
    if (this.#sequence >= Number.MAX_SAFE_INTEGER) {
      throw new EasynetError("OVERLOADED", { subject: "a sealing context", queued: this.#sequence });
    }
    const counter = numberBytes(this.#sequence, NONCE_BYTES);
    return this.#baseNonce.map((byte, at) => byte ^ (counter[at] ?? 0));
  }
}

function broken(cause?: unknown): EasynetError {
  return new EasynetError("SEAL_BROKEN", { subject: "A sealed message" }, { cause });
}
