/**
 * Batches that a member keeps for others who are away, sealed. Those of one (sender, recipient, lane) stay together: in
 * order, and until the last of them lapses, because a recipient takes none whose forerunners are missing.
 */
import type { Did } from "../../identity/index.ts";
import { comparePositions, endOf } from "../delivery/position.ts";
import type { HeldReport } from "../delivery/types.ts";
import { bytesOfSender, GIVE_AGAIN_MS, GIVING_BYTES_MAX, GIVING_COUNT_MAX, HELD_OVERHEAD_BYTES } from "./limits.ts";
import type { MailAddress } from "./mail-codec.ts";

export interface HeldMail extends MailAddress {
  /** Of its row. */
  readonly key: string;
  readonly sender: Did;
  readonly recipient: Did;
  readonly byteLength: number;
  /** Monotonic: when it came, and until when it is kept at least. */
  readonly keptAtMs: number;
  readonly untilMs: number;
}

interface Stream {
  readonly mails: HeldMail[];
  /** Mails before this index are on their way. */
  cursor: number;
  retryAtMs: number;
  untilMs: number;
}

interface Box {
  readonly streams: Map<string, Stream>;
  readonly under: Map<string, { readonly mail: HeldMail; readonly againAtMs: number }>;
  underBytes: number;
}

export class HolderCore {
  readonly #bytesMax: number;
  readonly #boxes = new Map<Did, Box>();
  readonly #bySender = new Map<Did, number>();
  readonly #known = new Map<string, HeldMail>();
  /** On their way to the disk, with the room that each took. */
  readonly #pending = new Map<string, number>();
  #bytes = 0;

  /** @param bytesMax what is held altogether; one sender gets a part of it */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get recipients(): Iterable<Did> {
    return this.#boxes.keys();
  }

  /**
   * Makes room for a batch, before it is on disk; `sender-full` and `full`: there is none. One that is kept already gets
   * the room of the new one: what it comes after may have changed. `pending`: it came before and is not on disk yet.
   */
  admit(mail: HeldMail): "admitted" | "pending" | "sender-full" | "full" {
    if (this.#pending.has(mail.key)) return "pending";
    const cost = costOf(mail) - this.#costOf(mail.key);
    if (cost > 0 && (this.#bySender.get(mail.sender) ?? 0) + cost > bytesOfSender(this.#bytesMax)) return "sender-full";
    if (cost > 0 && this.#bytes + cost > this.#bytesMax) return "full";
    this.#pending.set(mail.key, cost);
    this.#count(mail, cost);
    return "admitted";
  }

  /** It is on disk: it may be given. Also for what an earlier life kept, whatever the limit is now. */
  add(mail: HeldMail): void {
    if (!this.#pending.delete(mail.key)) this.#count(mail, costOf(mail));
    let box = this.#boxes.get(mail.recipient);
    if (!box) this.#boxes.set(mail.recipient, (box = { streams: new Map(), under: new Map(), underBytes: 0 }));
    const name = streamOf(mail);
    let stream = box.streams.get(name);
    if (!stream) box.streams.set(name, (stream = { mails: [], cursor: 0, retryAtMs: 0, untilMs: 0 }));
    stream.untilMs = Math.max(stream.untilMs, mail.untilMs);
    const before = this.#known.get(mail.key);
    this.#known.set(mail.key, mail);
    if (before) {
      stream.mails.splice(stream.mails.indexOf(before), 1, mail);
      return;
    }
    let index = stream.mails.length;
    while (index > 0 && comparePositions(endOf(stream.mails[index - 1] ?? mail), endOf(mail)) > 0) index -= 1;
    stream.mails.splice(index, 0, mail);
    // What comes before others that are on their way: from there again.
    stream.cursor = Math.min(stream.cursor, index);
  }

  /** The store did not take it; what it had before stays. */
  refuse(mail: HeldMail): void {
    const cost = this.#pending.get(mail.key) ?? 0;
    this.#pending.delete(mail.key);
    this.#count(mail, -cost);
  }

  /** The next batch for a recipient that is linked; it counts as under way. */
  next(recipient: Did, nowMs: number): HeldMail | undefined {
    const box = this.#boxes.get(recipient);
    if (!box || box.under.size >= GIVING_COUNT_MAX || box.underBytes >= GIVING_BYTES_MAX) return undefined;
    for (const stream of box.streams.values()) {
      const mail = stream.mails[stream.cursor];
      if (!mail || nowMs < stream.retryAtMs) continue;
      stream.cursor += 1;
      if (!box.under.has(mail.key)) box.underBytes += mail.byteLength;
      box.under.set(mail.key, { mail, againAtMs: nowMs + GIVE_AGAIN_MS });
      return mail;
    }
    return undefined;
  }

  /** The recipient has it safely, or will never take it. Undefined when no such batch is kept for it. */
  ended(key: string, recipient: Did): HeldMail | undefined {
    const mail = this.#known.get(key);
    const box = this.#boxes.get(recipient);
    const stream = mail && box?.streams.get(streamOf(mail));
    if (!mail || !box || !stream) return undefined;
    const index = stream.mails.indexOf(mail);
    if (index < 0) return undefined;
    stream.mails.splice(index, 1);
    if (index < stream.cursor) stream.cursor -= 1;
    this.#landed(box, key);
    this.#forget(mail);
    if (stream.mails.length === 0) box.streams.delete(streamOf(mail));
    if (box.streams.size === 0) this.#boxes.delete(recipient);
    return mail;
  }

  /** The recipient cannot take it now, or the link refused it: it and what is behind it, later. */
  later(key: string, recipient: Did, nowMs: number): void {
    const mail = this.#known.get(key);
    const box = this.#boxes.get(recipient);
    if (mail && box) this.#rewind(box, streamOf(mail), nowMs + GIVE_AGAIN_MS);
  }

  /** The link to a recipient is new or gone: nothing is under way. */
  relinked(recipient: Did): void {
    const box = this.#boxes.get(recipient);
    for (const name of box?.streams.keys() ?? []) if (box) this.#rewind(box, name, 0);
  }

  /** What was not answered goes again; returns what lapsed, to be deleted. */
  tick(nowMs: number): readonly HeldMail[] {
    const lapsed: HeldMail[] = [];
    for (const [recipient, box] of this.#boxes) {
      for (const { mail, againAtMs } of box.under.values()) {
        if (againAtMs <= nowMs) this.#rewind(box, streamOf(mail), 0);
      }
      for (const [name, stream] of box.streams) {
        if (stream.untilMs > nowMs) continue;
        lapsed.push(...stream.mails);
        this.#rewind(box, name, 0);
        box.streams.delete(name);
        for (const mail of stream.mails) this.#forget(mail);
      }
      if (box.streams.size === 0) this.#boxes.delete(recipient);
    }
    return lapsed;
  }

  reports(): readonly HeldReport[] {
    const found = new Map<string, { sender: Did; recipient: Did; batches: number; bytes: number }>();
    for (const [recipient, { streams }] of this.#boxes) {
      for (const { mails } of streams.values()) {
        for (const { sender, byteLength } of mails) {
          const name = `${sender} ${recipient}`;
          const report = found.get(name) ?? { sender, recipient, batches: 0, bytes: 0 };
          report.batches += 1;
          report.bytes += byteLength;
          found.set(name, report);
        }
      }
    }
    return [...found.values()];
  }

  #rewind(box: Box, name: string, retryAtMs: number): void {
    const stream = box.streams.get(name);
    if (!stream) return;
    for (const { key } of stream.mails.slice(0, stream.cursor)) this.#landed(box, key);
    stream.cursor = 0;
    stream.retryAtMs = retryAtMs;
  }

  #landed(box: Box, key: string): void {
    const under = box.under.get(key);
    if (!under) return;
    box.under.delete(key);
    box.underBytes -= under.mail.byteLength;
  }

  #forget(mail: HeldMail): void {
    this.#known.delete(mail.key);
    this.#count(mail, -costOf(mail));
  }

  #costOf(key: string): number {
    const mail = this.#known.get(key);
    return mail ? costOf(mail) : 0;
  }

  #count({ sender }: HeldMail, cost: number): void {
    this.#bytes += cost;
    const ofSender = (this.#bySender.get(sender) ?? 0) + cost;
    if (ofSender > 0) this.#bySender.set(sender, ofSender);
    else this.#bySender.delete(sender);
  }
}

function costOf({ byteLength }: HeldMail): number {
  return byteLength + HELD_OVERHEAD_BYTES;
}

function streamOf({ sender, lane }: HeldMail): string {
  return `${sender} ${lane}`;
}
