import { isDeepStrictEqual } from "node:util";
import { type Did, type SignatureClaim, verifySignature } from "../identity/index.ts";
import { type Clock, EasynetError } from "../kernel/index.ts";
import { checkSchema, type NodeRecord, nodeRecordSchema, type SignedCard } from "../model/index.ts";
import { cardClaim } from "../wire/index.ts";
import { compareVersions, type Entry, type Known, type Version } from "./core-types.ts";
import type { DidCache } from "./did-cache.ts";
import { decodeHeader, decodeRecord, type Header, signedBytes, toEntry } from "./entry-codec.ts";
import { CARDS_PER_TURN, RECORD_BYTES_MAX } from "./limits.ts";
import type { RawEntry } from "./messages.ts";
import type { Verifying } from "./finish.ts";
import { verifyElsewhere } from "./verify-elsewhere.ts";

/** Checks that a simulation may replace, because real signatures take nine tenths of its time. */
export interface DirectoryChecks {
  /** @default Ed25519 */
  readonly verifySignature: (did: Did, bytes: Uint8Array, signature: Uint8Array) => boolean;
  /** Many at a time, on other threads; without it all is verified at once, as a virtual clock needs it. */
  readonly verifyElsewhere?: (claims: readonly SignatureClaim[]) => Promise<readonly boolean[]>;
  /** What is to be verified of a card, undefined for nothing; throws for a bad one. @default wire's cardClaim */
  readonly cardClaim: (signed: SignedCard, options: { readonly nowMs: number }) => SignatureClaim | undefined;
}

export const realChecks: DirectoryChecks = { verifySignature, verifyElsewhere, cardClaim };

export type Admitted =
  | { readonly kind: "news"; readonly entry: Entry }
  /** Not newer than what is known: nothing was verified, and nothing of it may be used but the version. */
  | { readonly kind: "known"; readonly owner: Did; readonly version: Version }
  /** Its record did not travel with it and is not the one we hold. */
  | { readonly kind: "record-missing"; readonly owner: Did };

export interface AdmissionOptions {
  readonly clock: Clock;
  readonly checks: Pick<DirectoryChecks, "cardClaim">;
  readonly skewMs: number;
  readonly dids: DidCache;
  readonly known: (owner: Did) => Readonly<Known> | undefined;
}

/** Decides what of the entries that peers send is true: cheap checks first, no card that is known already. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /**
   * A generator that yields the signatures that it wants verified: one after the other for a small entry, on other
   * threads for a large one.
   * @throws {EasynetError} FRAME_MALFORMED, SIGNATURE_INVALID, INVALID_ARGUMENT (stamp), CARD_INVALID
   */
  *admit(raw: RawEntry): Verifying<Admitted> {
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
    const { header: headerBytes, signature } = raw;
    const [signed] = yield [{ did: owner, bytes: signedBytes(headerBytes), signature }];
    if (!signed) throw new EasynetError("SIGNATURE_INVALID", { subject: `the entry of ${owner}` });
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
  *check(owner: Did, value: unknown): Verifying<NodeRecord> {
    const parsed = checkSchema(nodeRecordSchema, value);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw cardInvalid(owner, `${issue?.path.join(".") ?? "record"}: ${issue?.message ?? "does not fit"}`);
    }
    const record = parsed.data;
    if (record.owner !== owner) throw cardInvalid(owner, "the record names another owner");
    const good = new Map(this.#options.known(owner)?.entry.record?.cards.map((card) => [card.card.id, card]));
    let claims: SignatureClaim[] = [];
    for (const signed of record.cards) {
      if (signed.card.node !== owner) throw cardInvalid(signed.card.name, "it is not an agent of this node");
      if (isDeepStrictEqual(signed, good.get(signed.card.id))) continue;
      const claim = this.#options.checks.cardClaim(signed, { nowMs: this.#options.clock.nowMs() });
      if (claim) claims.push(claim);
      if (claims.length < CARDS_PER_TURN) continue;
      expectAll(claims, yield claims);
      claims = [];
    }
    if (claims.length > 0) expectAll(claims, yield claims);
    return record;
  }

  *#admitRecord(header: Header, bytes: Uint8Array): Verifying<NodeRecord> {
    return yield* this.check(header.owner, decodeRecord(bytes, header));
  }
}

function expectAll(claims: readonly SignatureClaim[], hold: readonly boolean[]): void {
  const wrong = claims.find((_, index) => hold[index] !== true);
  if (!wrong) return;
  const reason = "it does not fit the content";
  throw new EasynetError("SIGNATURE_INVALID", { subject: `the card of ${wrong.did}`, reason });
}

function cardInvalid(agent: string, reason: string): EasynetError {
  return new EasynetError("CARD_INVALID", { agent, reason });
}
