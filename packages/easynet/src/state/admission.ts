import { type Did, verifySignature } from "../identity/index.ts";
import { type Clock, EasynetError } from "../kernel/index.ts";
import { checkSchema, type NodeRecord, nodeRecordSchema } from "../model/index.ts";
import { encodeValue, verifyCard } from "../wire/index.ts";
import { compareVersions, type Entry, type Known, type Version } from "./core-types.ts";
import type { DidCache } from "./did-cache.ts";
import { decodeHeader, decodeRecord, hashOf, type Header, signedBytes, toEntry } from "./entry-codec.ts";
import { CARDS_PER_TURN, RECORD_BYTES_MAX, VERIFIED_CARDS_COUNT_MAX } from "./limits.ts";
import type { RawEntry } from "./messages.ts";

/** Checks that a simulation may replace, because real signatures take nine tenths of its time. */
export interface DirectoryChecks {
  /** @default Ed25519 */
  readonly verifySignature: (did: Did, bytes: Uint8Array, signature: Uint8Array) => boolean;
  /** Throws for a bad card. @default wire's verifyCard */
  readonly verifyCard: (signed: NodeRecord["cards"][number], options: { readonly nowMs: number }) => unknown;
}

export const realChecks: DirectoryChecks = { verifySignature, verifyCard };

export type Admitted =
  | { readonly kind: "news"; readonly entry: Entry }
  /** Not newer than what is known: nothing was verified, and nothing of it may be used but the version. */
  | { readonly kind: "known"; readonly owner: Did; readonly version: Version }
  /** Its record did not travel with it and is not the one we hold. */
  | { readonly kind: "record-missing"; readonly owner: Did };

export interface AdmissionOptions {
  readonly clock: Clock;
  readonly checks: DirectoryChecks;
  readonly skewMs: number;
  readonly dids: DidCache;
  readonly known: (owner: Did) => Readonly<Known> | undefined;
}

/** Decides what of the entries that peers send is true: cheap checks first, each card once. */
export class Admission {
  readonly #options: AdmissionOptions;
  /** Signature and hash of cards that were good, as one text. */
  readonly #goodCards = new Set<string>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /**
   * A generator that yields between batches of cards: run it at once for a small entry, with pauses for a large one.
   * @throws {EasynetError} FRAME_MALFORMED, SIGNATURE_INVALID, INVALID_ARGUMENT (stamp), CARD_INVALID
   */
  *admit(raw: RawEntry): Generator<void, Admitted, void> {
    const header = decodeHeader(raw.header, this.#options.dids);
    const { owner, epoch, sequence, issuedAtMs } = header;
    const known = this.#options.known(owner);
    if (known && compareVersions(header, known.entry) <= 0) {
      return { kind: "known", owner, version: { epoch, sequence } };
    }
    if (raw.recordBytes && raw.recordBytes.length > RECORD_BYTES_MAX) {
      throw new EasynetError("FRAME_MALFORMED", { reason: `a directory record of ${raw.recordBytes.length} bytes` });
    }
    if (issuedAtMs > this.#options.clock.nowMs() + this.#options.skewMs) {
      throw new EasynetError("INVALID_ARGUMENT", {
        subject: `The entry of ${owner}`,
        reason: "its stamp is in the future",
      });
    }
    if (!this.#options.checks.verifySignature(owner, signedBytes(raw.header), raw.signature)) {
      throw new EasynetError("SIGNATURE_INVALID", { subject: `the entry of ${owner}` });
    }
    const { header: headerBytes, signature } = raw;
    if (header.status === "left") {
      return {
        kind: "news",
        entry: toEntry(header, undefined, { header: headerBytes, signature, recordBytes: undefined }),
      };
    }
    if (known && known.entry.recordHash === header.recordHash) {
      const { record, sealed } = known.entry;
      return { kind: "news", entry: toEntry(header, record, { ...sealed, header: headerBytes, signature }) };
    }
    if (!raw.recordBytes) return { kind: "record-missing", owner };
    const record = yield* this.#admitRecord(header, raw.recordBytes);
    return {
      kind: "news",
      entry: toEntry(header, record, { header: headerBytes, signature, recordBytes: raw.recordBytes }),
    };
  }

  /** The own record before it is published. @throws {EasynetError} CARD_INVALID */
  *check(owner: Did, value: unknown): Generator<void, NodeRecord, void> {
    const parsed = checkSchema(nodeRecordSchema, value);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw cardInvalid(owner, `${issue?.path.join(".") ?? "record"}: ${issue?.message ?? "does not fit"}`);
    }
    const record = parsed.data;
    if (record.owner !== owner) throw cardInvalid(owner, "the record names another owner");
    let fresh = 0;
    for (const signed of record.cards) {
      if (signed.card.node !== owner) throw cardInvalid(signed.card.name, "it is not an agent of this node");
      const key = `${signed.signature.signature}.${hashOf(encodeValue(signed))}`;
      if (this.#goodCards.has(key)) continue;
      this.#options.checks.verifyCard(signed, { nowMs: this.#options.clock.nowMs() });
      this.#remember(key);
      if (++fresh % CARDS_PER_TURN === 0) yield;
    }
    return record;
  }

  *#admitRecord(header: Header, bytes: Uint8Array): Generator<void, NodeRecord, void> {
    return yield* this.check(header.owner, decodeRecord(bytes, header));
  }

  #remember(key: string): void {
    if (this.#goodCards.size >= VERIFIED_CARDS_COUNT_MAX) {
      const oldest = this.#goodCards.keys().next();
      if (!oldest.done) this.#goodCards.delete(oldest.value);
    }
    this.#goodCards.add(key);
  }
}

function cardInvalid(agent: string, reason: string): EasynetError {
  return new EasynetError("CARD_INVALID", { agent, reason });
}
