import { type Did, sealTo } from "../../identity/index.ts";
import { isEasynetError } from "../../kernel/index.ts";
import type { MeshFrame } from "../../mesh/index.ts";
import { FRAME_TYPES } from "../../wire/index.ts";
import { PREFIX_BYTES } from "../delivery/batch-layout.ts";
import { writePrefix } from "../delivery/batch-reader.ts";
import { signBatch } from "../delivery/batch-signature.ts";
import type { Outbox } from "../delivery/outbox.ts";
import type { Detour, OwedPeer } from "../delivery/owed-peer.ts";
import { comparePositions, endOf } from "../delivery/position.ts";
import { batchKey } from "../delivery/rows.ts";
import type { DeliveryShared } from "../delivery/shared.ts";
import { HandingCore } from "./handing-core.ts";
import { AWAY_AFTER_MS, KEEP_MS_MAX, KEEP_MS_MIN, LEAVING_MS } from "./limits.ts";
import { decodeAnswer, encodeContent, encodeMail, sealContext } from "./mail-codec.ts";
import type { HandedReport, MailOptions } from "./types.ts";

/** What the seal is for (RFC 9180's info). */
export const MAIL_PURPOSE = "mail";

/** Hands to a member that holds mail what waits for peers that are away. It stays in the outbox until the peer has it. */
export class MailSender {
  readonly #shared: DeliveryShared;
  readonly #outbox: Outbox;
  readonly #options: MailOptions;
  readonly #handings = new Map<Did, HandingCore>();
  /** Called when nothing waits for a holder's word any more. */
  #onIdle: () => void = () => undefined;

  constructor(shared: DeliveryShared, outbox: Outbox, options: MailOptions) {
    this.#shared = shared;
    this.#outbox = outbox;
    this.#options = options;
  }

  /** Hands over what has waited for long enough; what a holder did not answer goes to another one. */
  tick(awayAfterMs = AWAY_AFTER_MS): void {
    const nowMs = this.#shared.clock.monotonicMs();
    const away = this.#outbox.away().filter(({ unlinkedAtMs }) => nowMs - unlinkedAtMs >= awayAfterMs);
    if (away.length > 0) {
      const offers = this.#options.holders().filter((did) => did !== this.#shared.mesh.self);
      for (const owed of away) this.#handOver(owed, offers);
    }
    for (const did of this.#handings.keys()) {
      if ((this.#outbox.owed(did)?.core.queuedCount ?? 0) === 0) this.#handings.delete(did);
    }
  }

  /** This node leaves: everything for whoever is away goes now. Resolves when holders have it, at the latest after LEAVING_MS. */
  async leave(): Promise<void> {
    this.tick(0);
    if (this.#isIdle()) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      this.#shared.clock.setTimer(LEAVING_MS, resolve);
    });
  }

  /** `mail-kept` of a holder. */
  onKept({ from, body }: MeshFrame): void {
    const { clock, metrics, logger } = this.#shared;
    const nowMs = clock.monotonicMs();
    let answer;
    try {
      answer = decodeAnswer(body);
    } catch (error) {
      metrics.count("easynet_mail_refused_total", { reason: "malformed" });
      logger.debug("answer of a holder not read", { peer: from, error });
      return;
    }
    const handing = this.#handings.get(answer.other);
    const owed = this.#outbox.owed(answer.other);
    if (!handing || !owed || handing.holder !== from) return;
    if (answer.value === 0) {
      logger.info("a member does not hold mail that it offered to hold", { holder: from, recipient: answer.other });
      handing.failed(nowMs);
    } else {
      metrics.count("easynet_mail_handed_total");
      handing.onKept(batchKey(answer.other, answer.lane, answer), answer.value, nowMs);
      if (!owed.linked) this.#pump(owed, handing);
    }
    if (this.#isIdle()) this.#onIdle();
  }

  /** Who keeps messages of a lane for a peer, and how many of those that wait. */
  report(peer: Did, lane: number): HandedReport | undefined {
    const handing = this.#handings.get(peer);
    const queue = this.#outbox.owed(peer)?.core.lanes[lane]?.queue ?? [];
    if (handing?.holder === undefined) return undefined;
    const kept = handing.kept(lane);
    const handed = queue.filter((batch) => comparePositions(endOf(batch), kept) <= 0);
    const messages = handed.reduce((sum, { count }) => sum + count, 0);
    return messages > 0 ? { holder: handing.holder, handed: messages } : undefined;
  }

  #isIdle(): boolean {
    return [...this.#handings.values()].every(({ isIdle }) => isIdle);
  }

  #handOver(owed: OwedPeer, offers: readonly Did[]): void {
    const { clock, mesh } = this.#shared;
    const nowMs = clock.monotonicMs();
    let handing = this.#handings.get(owed.did);
    if (!handing) this.#handings.set(owed.did, (handing = new HandingCore(owed.did)));
    if (handing.tick(nowMs) === "silent") handing.failed(nowMs);
    const holder = handing.choose(offers, nowMs);
    if (holder === undefined) return;
    if (mesh.peer(holder)) this.#pump(owed, handing);
    else mesh.reach(holder).catch(() => handing.failed(clock.monotonicMs()));
  }

  #pump(owed: OwedPeer, handing: HandingCore): void {
    const { clock } = this.#shared;
    for (let lane = 0; lane < owed.core.lanes.length; lane++) {
      while (handing.mayHand && handing.holder !== undefined) {
        const detour = owed.detour(lane, handing.reached(lane));
        if (!detour) break;
        if (!this.#send(handing.holder, owed.did, detour)) return;
        handing.sent(detour.batch.key, { lane, end: endOf(detour.batch) }, clock.monotonicMs());
      }
    }
  }

  /** False when the link takes no more now: the next turn goes on. */
  #send(holder: Did, to: Did, { batch, after, ageMs, bytes }: Detour): boolean {
    const { mesh, keyPair, clock, logger } = this.#shared;
    const signed = signBatch(keyPair, to, bytes);
    const frame = Buffer.alloc(PREFIX_BYTES + signed.length);
    writePrefix(frame, { ageMs, after });
    frame.set(signed, PREFIX_BYTES);
    const content = encodeContent(this.#options.membership(), frame);
    const associated = sealContext(mesh.self, to, batch);
    const sealed = sealTo(to, content, { purpose: MAIL_PURPOSE, associated });
    const lifeMs = batch.expiresAtMs - clock.monotonicMs();
    const durationMs = Math.min(KEEP_MS_MAX, Math.max(KEEP_MS_MIN, lifeMs));
    const { lane, epoch, first, count } = batch;
    const body = encodeMail({ other: to, lane, epoch, first, count, durationMs, sealed });
    try {
      mesh.send(holder, { lane: "bulk", type: FRAME_TYPES["mail-keep"], body });
      return true;
    } catch (error) {
      if (!isEasynetError(error)) throw error;
      logger.debug("mail not handed over", { holder, error });
      return false;
    }
  }
}
