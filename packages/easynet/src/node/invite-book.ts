import { type Did, isDid } from "../identity/index.ts";
import { EasynetError } from "../kernel/index.ts";
import type { Store } from "../storage/index.ts";
import { decodeValue, encodeValue } from "../wire/index.ts";
import { type InviteRecord, redeemInvite } from "./invite-record-core.ts";

const SPACE = "invites";
/** Invitations that hold at the same time; a further one is refused with OVERLOADED. */
export const INVITES_COUNT_MAX = 256;
/** Redemptions that wait for the disk; a further one is refused with OVERLOADED. */
const REDEMPTIONS_COUNT_MAX = 32;

/** The invitations of this node on disk. One redemption at a time, so that no two machines share the last use. */
export class InviteBook {
  readonly #store: Store;
  #turn: Promise<unknown> = Promise.resolve();
  #waitingCount = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Those that hold, newest last. */
  list(nowMs: number): readonly (readonly [Did, InviteRecord])[] {
    return this.#store
      .list(SPACE, { limit: 2 * INVITES_COUNT_MAX })
      .flatMap(({ key, value }) => {
        const record = decodeRecord(value);
        return isDid(key) && record && record.expiresAtMs > nowMs ? [[key, record] as const] : [];
      })
      .toSorted(([, left], [, right]) => left.expiresAtMs - right.expiresAtMs);
  }

  /** Forgets those that have expired: their delegations prove it. @throws {EasynetError} OVERLOADED, STORAGE_FULL */
  async add(key: Did, record: InviteRecord, nowMs: number): Promise<void> {
    const rows = this.#store.list(SPACE, { limit: 2 * INVITES_COUNT_MAX });
    const expired = rows.filter(({ value }) => (decodeRecord(value)?.expiresAtMs ?? 0) <= nowMs);
    if (rows.length - expired.length >= INVITES_COUNT_MAX) {
      throw new EasynetError("OVERLOADED", { subject: "The list of invitations", queued: INVITES_COUNT_MAX });
    }
    await this.#store.commit([
      ...expired.map((row) => ({ kind: "delete" as const, space: SPACE, key: row.key })),
      { kind: "put", space: SPACE, key, value: encodeRecord(record) },
    ]);
  }

  async revoke(key: Did): Promise<void> {
    await this.#inTurn(async () => {
      const record = this.#get(key);
      if (record) await this.#put(key, { ...record, revoked: true });
    });
  }

  /** Resolves with what the joiner is to get, once the use is on disk. @throws {EasynetError} INVITE_*, OVERLOADED, and what the store fails with */
  async redeem(key: Did, joiner: Did, nowMs: number): Promise<Pick<InviteRecord, "memberOnly">> {
    return this.#inTurn(async () => {
      const record = this.#get(key);
      const redemption = redeemInvite(record, joiner, nowMs);
      if (redemption.kind === "refused") throw redemption.error;
      if (redemption.record) await this.#put(key, redemption.record);
      return { memberOnly: record?.memberOnly === true };
    });
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#waitingCount >= REDEMPTIONS_COUNT_MAX) {
      throw new EasynetError("OVERLOADED", { subject: "The list of invitations", queued: this.#waitingCount });
    }
    this.#waitingCount++;
    const own = this.#turn.then(work);
    this.#turn = own.catch(() => undefined);
    try {
      return await own;
    } finally {
      this.#waitingCount--;
    }
  }

  #get(key: Did): InviteRecord | undefined {
    const value = this.#store.get(SPACE, key);
    return value && decodeRecord(value);
  }

  async #put(key: Did, record: InviteRecord): Promise<void> {
    await this.#store.commit([{ kind: "put", space: SPACE, key, value: encodeRecord(record) }]);
  }
}

function encodeRecord({ usesMax, expiresAtMs, revoked, joiners, memberOnly }: InviteRecord): Uint8Array {
  return encodeValue([usesMax, expiresAtMs, revoked, joiners, memberOnly]);
}

/** Undefined when a row cannot be read: such an invitation admits nobody. */
function decodeRecord(bytes: Uint8Array): InviteRecord | undefined {
  const fields = decodeValue(bytes);
  if (!Array.isArray(fields)) return undefined;
  const [usesMax, expiresAtMs, revoked, joiners, memberOnly]: unknown[] = fields;
  if (typeof usesMax !== "number" || typeof expiresAtMs !== "number" || !Array.isArray(joiners)) return undefined;
  const dids = joiners.filter((joiner): joiner is Did => typeof joiner === "string" && isDid(joiner));
  return { usesMax, expiresAtMs, revoked: revoked === true, joiners: dids, memberOnly: memberOnly === true };
}
