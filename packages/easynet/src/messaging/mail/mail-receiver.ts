import { type Did, openSealed } from "../../identity/index.ts";
import { EasynetError, isEasynetError } from "../../kernel/index.ts";
import type { MeshFrame } from "../../mesh/index.ts";
import { FRAME_TYPES } from "../../wire/index.ts";
import { PREFIX_BYTES } from "../delivery/batch-layout.ts";
import { readPrefix } from "../delivery/batch-reader.ts";
import { isSignedBy } from "../delivery/batch-signature.ts";
import type { Inbox } from "../delivery/inbox.ts";
import type { Position } from "../delivery/position.ts";
import { ReceivedBatch } from "../delivery/received-batch.ts";
import type { DeliveryShared } from "../delivery/shared.ts";
import { AGE_TOLERANCE_MS, BROKEN_COUNT_MAX, BROKEN_PAUSE_MS } from "./limits.ts";
import { decodeContent, decodeMail, encodeAnswer, OUTCOMES, sealContext, type SealedMail } from "./mail-codec.ts";
import { MAIL_PURPOSE } from "./mail-sender.ts";
import type { MailOptions } from "./types.ts";

/** Opens what another member kept for this node, checks whose it is, and gives it to the inbox. */
export class MailReceiver {
  readonly #shared: DeliveryShared;
  readonly #inbox: Inbox;
  readonly #options: MailOptions;
  /** One after the other, in order; the links' credits bound what waits. */
  #work: Promise<void> = Promise.resolve();
  /** By link: what could not be opened lately. */
  readonly #broken = new Map<Did, { count: number; untilMs: number }>();

  constructor(shared: DeliveryShared, inbox: Inbox, options: MailOptions) {
    this.#shared = shared;
    this.#inbox = inbox;
    this.#options = options;
  }

  /** `mail` of a holder. */
  async onMail({ from, body }: MeshFrame): Promise<void> {
    let mail: SealedMail;
    try {
      mail = decodeMail(body);
    } catch (error) {
      this.#onBroken(from, error);
      return;
    }
    const opened = this.#work.then(() => this.#open(mail, from));
    this.#work = opened.then(
      () => undefined,
      () => undefined,
    );
    const read = await opened;
    if (read === "ignored") return;
    if (read === "broken") {
      this.#answer(from, mail, OUTCOMES.broken);
      return;
    }
    // Not one after the other: what follows joins the same commit.
    const outcome = await read.settled.catch(() => "later" as const);
    this.#answer(from, mail, OUTCOMES[outcome]);
  }

  /** In order up to here: the inbox has it, and says later that it is on disk. */
  async #open(mail: SealedMail, holder: Did): Promise<Offered | "broken" | "ignored"> {
    if (this.#isTiresome(holder)) return "ignored";
    const { keyPair, mesh } = this.#shared;
    try {
      const associated = sealContext(mail.other, mesh.self, mail);
      const content = decodeContent(openSealed(keyPair, mail.sealed, { purpose: MAIL_PURPOSE, associated }));
      await this.#options.verifyMember(content.membership, mail.other);
      const { batch, after } = this.#read(mail, content.frame);
      return { settled: this.#inbox.onMail(batch, after) };
    } catch (error) {
      this.#onBroken(holder, error);
      return "broken";
    }
  }

  /** @throws {EasynetError} FRAME_MALFORMED */
  #read(mail: SealedMail, frame: Buffer): { readonly batch: ReceivedBatch; readonly after: Position } {
    const { clock, mesh } = this.#shared;
    const { ageMs, after } = readPrefix(frame);
    const bytes = frame.subarray(PREFIX_BYTES);
    if (!isSignedBy(mail.other, mesh.self, bytes)) throw malformed("its batch is not signed by its sender");
    const arrived = ReceivedBatch.arrived(mail.other, bytes, { ageMs, clock, byteLength: frame.length });
    const same = arrived.lane === mail.lane && arrived.epoch === mail.epoch;
    if (!same || arrived.first !== mail.first || arrived.count !== mail.count) throw malformed("it is another batch");
    const wallMs = clock.nowMs() - arrived.writtenAtMs;
    const claimedMs = ageMs + mail.durationMs;
    const age = Math.min(Math.max(claimedMs, wallMs - AGE_TOLERANCE_MS), Math.max(0, wallMs + AGE_TOLERANCE_MS));
    const at = { ageMs: Math.max(ageMs, age), clock, byteLength: frame.length };
    return { batch: ReceivedBatch.arrived(mail.other, bytes, at), after };
  }

  #isTiresome(from: Did): boolean {
    const broken = this.#broken.get(from);
    if (!broken) return false;
    if (broken.untilMs > this.#shared.clock.monotonicMs()) return broken.count >= BROKEN_COUNT_MAX;
    this.#broken.delete(from);
    return false;
  }

  #onBroken(from: Did, error: unknown): void {
    if (!isEasynetError(error)) throw error;
    const { clock, metrics, logger } = this.#shared;
    const count = (this.#broken.get(from)?.count ?? 0) + 1;
    this.#broken.set(from, { count, untilMs: clock.monotonicMs() + BROKEN_PAUSE_MS });
    metrics.count("easynet_mail_refused_total", { reason: "broken" });
    logger.warn("mail that a member kept for this node is not used", { holder: from, error });
  }

  #answer(to: Did, mail: SealedMail, value: number): void {
    try {
      const body = encodeAnswer({ ...mail, value });
      this.#shared.mesh.send(to, { lane: "normal", type: FRAME_TYPES["mail-taken"], body });
    } catch (error) {
      this.#shared.logger.debug("answer not sent", { peer: to, error });
    }
  }
}

interface Offered {
  readonly settled: Promise<"taken" | "later">;
}

function malformed(reason: string): EasynetError {
  return new EasynetError("FRAME_MALFORMED", { reason: `mail: ${reason}` });
}
