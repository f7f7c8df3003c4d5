import type { Did } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";

/** What the issuer keeps of an invitation, durably and before it answers anybody. */
export interface InviteRecord {
  readonly usesMax: number;
  readonly expiresAtMs: number;
  readonly revoked: boolean;
  /** Who joins with it may not let others in. */
  readonly memberOnly: boolean;
  /** Who joined with it, in order. */
  readonly joiners: readonly Did[];
}

export type Redemption =
  /** `record` is to be stored BEFORE the membership leaves; undefined when nothing changed. */
  | { readonly kind: "granted"; readonly record: InviteRecord | undefined }
  | { readonly kind: "refused"; readonly error: EasynetError };

/**
 * One use of an invitation. A joiner that was let in already is let in again, without a further use: it may have lost
 * the answer. An invitation that the issuer does not know counts as called back.
 */
export function redeemInvite(record: InviteRecord | undefined, joiner: Did, nowMs: number): Redemption {
  if (!record || record.revoked) return refused(new EasynetError("INVITE_REVOKED", {}));
  if (nowMs >= record.expiresAtMs) return refused(new EasynetError("INVITE_EXPIRED", {}));
  if (record.joiners.includes(joiner)) return { kind: "granted", record: undefined };
  const uses = record.joiners.length;
  if (uses >= record.usesMax) return refused(new EasynetError("INVITE_USED", { uses, usesMax: record.usesMax }));
  return { kind: "granted", record: { ...record, joiners: [...record.joiners, joiner] } };
}

function refused(error: EasynetError): Redemption {
  return { kind: "refused", error };
}
