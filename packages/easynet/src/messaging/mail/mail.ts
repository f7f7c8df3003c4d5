/**
 * Store-and-forward (docs/protocol/messages.md): what waits for a peer that is away is also kept, sealed, by a member
 * that offered to hold mail. It is the same batch whichever way it comes, so order and deduplication are the inbox's.
 */
import type { Did } from "../../identity/index.ts";
import { repeat, type Timer } from "../../kernel/index.ts";
import { FRAME_TYPES } from "../../wire/index.ts";
import type { Inbox } from "../delivery/inbox.ts";
import type { Outbox } from "../delivery/outbox.ts";
import type { DeliveryShared } from "../delivery/shared.ts";
import type { HeldReport } from "../delivery/types.ts";
import { MAIL_TICK_MS } from "./limits.ts";
import { MailHolder } from "./mail-holder.ts";
import { MailReceiver } from "./mail-receiver.ts";
import { MailSender } from "./mail-sender.ts";
import type { HandedReport, MailOptions } from "./types.ts";

export class Mail {
  readonly #sender: MailSender;
  readonly #holder: MailHolder;
  readonly #timer: Timer;

  constructor(shared: DeliveryShared, ends: { readonly outbox: Outbox; readonly inbox: Inbox }, options: MailOptions) {
    const { mesh, clock } = shared;
    const sender = new MailSender(shared, ends.outbox, options);
    const holder = new MailHolder(shared, options.holdBytesMax);
    const receiver = new MailReceiver(shared, ends.inbox, options);
    holder.recover();
    mesh.handle(FRAME_TYPES["mail-keep"], (frame) => holder.onKeep(frame));
    mesh.handle(FRAME_TYPES["mail-kept"], (frame) => sender.onKept(frame));
    mesh.handle(FRAME_TYPES.mail, (frame) => receiver.onMail(frame));
    mesh.handle(FRAME_TYPES["mail-taken"], (frame) => holder.onTaken(frame));
    this.#sender = sender;
    this.#holder = holder;
    this.#timer = repeat(clock, MAIL_TICK_MS, () => {
      sender.tick();
      holder.tick();
    });
  }

  onLinked(did: Did): void {
    this.#holder.onLinked(did);
  }

  handed(peer: Did, lane: number): HandedReport | undefined {
    return this.#sender.report(peer, lane);
  }

  held(): readonly HeldReport[] {
    return this.#holder.reports();
  }

  async close(): Promise<void> {
    this.#timer.cancel();
    await this.#sender.leave();
  }
}
