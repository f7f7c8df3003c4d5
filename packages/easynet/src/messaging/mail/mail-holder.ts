import { type Did, SEAL_OVERHEAD_BYTES } from "../../identity/index.ts";
import { EasynetError, isEasynetError } from "../../kernel/index.ts";
import type { MeshFrame } from "../../mesh/index.ts";
import { FRAME_TYPES } from "../../wire/index.ts";
import { batchKey, peerOfKey } from "../delivery/rows.ts";
import type { DeliveryShared } from "../delivery/shared.ts";
import type { HeldReport } from "../delivery/types.ts";
import { type HeldMail, HolderCore } from "./holder-core.ts";
import { KEEP_MS_MAX, KEEP_MS_MIN, REACH_EVERY_MS } from "./limits.ts";
import { decodeAnswer, decodeMail, encodeAnswer, encodeMail, OUTCOMES, type SealedMail } from "./mail-codec.ts";

/** Rows of the store: key `recipient sender lane epoch first`; value: when it came (u48, wall), then the mail as it came. */
const SPACE = "mail-held";
const STAMP_BYTES = 6;
const PAGE_COUNT = 100;

/** Keeps sealed batches for members that are away, on disk, and gives them to who comes. */
export class MailHolder {
  readonly #shared: DeliveryShared;
  readonly #core: HolderCore;
  readonly #bytesMax: number;
  readonly #triedAtMs = new Map<Did, number>();

  constructor(shared: DeliveryShared, bytesMax: number) {
    this.#shared = shared;
    this.#bytesMax = bytesMax;
    this.#core = new HolderCore(bytesMax);
  }

  /** Goes on with what an earlier life kept. */
  recover(): void {
    const { store, logger } = this.#shared;
    for (let after = ""; ;) {
      const page = store.list(SPACE, { limit: PAGE_COUNT, ...(after !== "" && { after }) });
      for (const { key, value } of page) {
        after = key;
        try {
          this.#core.add(this.#heldOf(key, value));
        } catch (error) {
          logger.error("a row of held mail cannot be read", { key, error });
        }
      }
      if (page.length === 0) return;
    }
  }

  /** `mail-keep` of a sender. */
  async onKeep({ from, body }: MeshFrame): Promise<void> {
    const { clock, metrics, logger, store } = this.#shared;
    const mail = this.#read(from, body);
    if (!mail) return;
    const keepMs = Math.min(KEEP_MS_MAX, Math.max(KEEP_MS_MIN, mail.durationMs));
    const keptAtMs = clock.monotonicMs();
    const key = `${mail.other} ${batchKey(from, mail.lane, mail)}`;
    const byteLength = body.length;
    const held = {
      ...mail,
      key,
      sender: from,
      recipient: mail.other,
      byteLength,
      keptAtMs,
      untilMs: keptAtMs + keepMs,
    };
    const verdict = this.#refusal(held) ?? this.#core.admit(held);
    if (verdict === "pending") return;
    if (verdict !== "admitted") {
      metrics.count("easynet_mail_refused_total", { reason: verdict });
      this.#answer(from, { ...mail, value: 0 });
      return;
    }
    try {
      const row = rowOf(clock.nowMs(), { ...mail, durationMs: keepMs });
      await store.commit([{ kind: "put", space: SPACE, key, value: row }], { durability: "disk" });
    } catch (error) {
      this.#core.refuse(held);
      logger.warn("mail not kept", { sender: from, error });
      this.#answer(from, { ...mail, value: 0 });
      return;
    }
    metrics.count("easynet_mail_held_total");
    this.#core.add(held);
    // AFTER the commit: the sender may end for good on this word.
    this.#answer(from, { ...mail, value: keepMs });
    this.give(mail.other);
  }

  /** `mail-taken` of a recipient. */
  onTaken({ from, body }: MeshFrame): void {
    const { clock, metrics, logger } = this.#shared;
    let answer;
    try {
      answer = decodeAnswer(body);
    } catch (error) {
      metrics.count("easynet_mail_refused_total", { reason: "malformed" });
      logger.debug("answer of a recipient not read", { peer: from, error });
      return;
    }
    const key = `${from} ${batchKey(answer.other, answer.lane, answer)}`;
    if (answer.value === OUTCOMES.later) this.#core.later(key, from, clock.monotonicMs());
    else {
      const mail = this.#core.ended(key, from);
      if (mail) {
        metrics.count("easynet_mail_given_total", { outcome: answer.value === OUTCOMES.taken ? "taken" : "broken" });
        this.#delete([mail]);
      }
    }
    this.give(from);
  }

  onLinked(did: Did): void {
    this.#core.relinked(did);
    this.give(did);
  }

  /** Deletes what lapsed, gives again what was not answered, dials recipients to which no link is kept. */
  tick(): void {
    const { clock, mesh } = this.#shared;
    const nowMs = clock.monotonicMs();
    this.#delete(this.#core.tick(nowMs));
    for (const recipient of this.#core.recipients) {
      if (mesh.peer(recipient)) this.give(recipient);
      else if (mesh.isOnDemand(recipient) && nowMs - (this.#triedAtMs.get(recipient) ?? -Infinity) >= REACH_EVERY_MS) {
        this.#triedAtMs.set(recipient, nowMs);
        mesh.reach(recipient).catch(() => undefined);
      }
    }
    for (const [did, atMs] of this.#triedAtMs) if (nowMs - atMs >= REACH_EVERY_MS) this.#triedAtMs.delete(did);
  }

  /** As much as may be under way. */
  give(recipient: Did): void {
    const { clock, mesh, store, logger } = this.#shared;
    if (!mesh.peer(recipient)) return;
    for (;;) {
      const nowMs = clock.monotonicMs();
      const held = this.#core.next(recipient, nowMs);
      if (!held) return;
      const row = store.get(SPACE, held.key);
      if (!row) {
        logger.error("a row of held mail is gone", { key: held.key });
        this.#core.ended(held.key, recipient);
        continue;
      }
      try {
        const mail = decodeMail(row.subarray(STAMP_BYTES));
        const body = encodeMail({ ...mail, other: held.sender, durationMs: nowMs - held.keptAtMs });
        mesh.send(recipient, { lane: "bulk", type: FRAME_TYPES.mail, body });
      } catch (error) {
        if (!isEasynetError(error)) throw error;
        this.#core.later(held.key, recipient, nowMs);
        return;
      }
    }
  }

  reports(): readonly HeldReport[] {
    return this.#core.reports();
  }

  #read(from: Did, body: Uint8Array): SealedMail | undefined {
    const { metrics, logger } = this.#shared;
    try {
      const mail = decodeMail(body);
      if (mail.sealed.length > SEAL_OVERHEAD_BYTES) return mail;
      throw new EasynetError("FRAME_MALFORMED", { reason: "mail: it holds nothing" });
    } catch (error) {
      metrics.count("easynet_mail_refused_total", { reason: "malformed" });
      logger.debug("mail not read", { peer: from, error });
      return undefined;
    }
  }

  #refusal({ sender, recipient }: HeldMail): "not-offered" | "recipient" | undefined {
    if (this.#bytesMax === 0) return "not-offered";
    return recipient === sender || recipient === this.#shared.mesh.self ? "recipient" : undefined;
  }

  #heldOf(key: string, value: Uint8Array): HeldMail {
    const { clock } = this.#shared;
    const [recipient = "", ...rest] = key.split(" ");
    const owner = peerOfKey(rest.join(" "));
    const mail = decodeMail(value.subarray(STAMP_BYTES));
    if (!owner || mail.other !== recipient) throw new EasynetError("FRAME_MALFORMED", { reason: "mail: a row's key" });
    const stamp = Buffer.from(value.subarray(0, STAMP_BYTES)).readUIntLE(0, STAMP_BYTES);
    // A wall clock that was set back makes it younger, never older than it is.
    const keptAtMs = clock.monotonicMs() - Math.max(0, clock.nowMs() - stamp);
    const times = { keptAtMs, untilMs: keptAtMs + mail.durationMs };
    return { ...mail, key, sender: owner.peer, recipient: mail.other, byteLength: value.length, ...times };
  }

  /** Given again after a crash, it is found to be a duplicate: no sync. */
  #delete(mails: readonly HeldMail[]): void {
    if (mails.length === 0) return;
    const { store, logger } = this.#shared;
    const writes = mails.map(({ key }) => ({ kind: "delete", space: SPACE, key }) as const);
    store.commit(writes, { durability: "process" }).catch((error: unknown) => {
      logger.warn("held mail not deleted; it will be found again with the next start", { error });
    });
  }

  #answer(to: Did, answer: Parameters<typeof encodeAnswer>[0]): void {
    try {
      this.#shared.mesh.send(to, { lane: "normal", type: FRAME_TYPES["mail-kept"], body: encodeAnswer(answer) });
    } catch (error) {
      this.#shared.logger.debug("answer not sent", { peer: to, error });
    }
  }
}

/** @param wallMs when it came */
function rowOf(wallMs: number, mail: SealedMail): Buffer {
  const stamp = Buffer.alloc(STAMP_BYTES);
  stamp.writeUIntLE(Math.max(0, Math.floor(wallMs)), 0, STAMP_BYTES);
  return Buffer.concat([stamp, encodeMail(mail)]);
}
