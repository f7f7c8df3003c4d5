import type { Clock } from "../kernel/index.ts";
import type { Admitted } from "./admission.ts";
import type { Line, OwnedVersion, ReceivedEntry } from "./core-types.ts";
import { NEVER } from "./known.ts";
import type { RawEntry } from "./messages.ts";

/** What the entries of one frame came to. */
export class EntryBatch {
  readonly news: ReceivedEntry[] = [];
  /** Versions that were known: their senders' views still count. */
  readonly lines: Line[] = [];
  /** Owners whose record must be asked for. */
  readonly missing: OwnedVersion[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add({ view }: RawEntry, admitted: Admitted): void {
    switch (admitted.kind) {
      case "news":
        this.news.push({ entry: admitted.entry, view, ageMs: this.#clock.nowMs() - admitted.entry.issuedAtMs });
        break;
      case "known":
        this.lines.push({ owner: admitted.owner, ...admitted.version, view });
        break;
      case "record-missing":
        this.missing.push({ owner: admitted.owner, ...NEVER });
        break;
    }
  }
}
