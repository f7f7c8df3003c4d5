import type { Store } from "../../storage/index.ts";
import { decodeEvent } from "../event-codec.ts";
import type { ExchangeRequest } from "../types.ts";
import type { JournalStart } from "./journal-core.ts";
import {
  decodeRecord,
  decodeSegment,
  decodeStoredRequest,
  EVENTS_SPACE,
  REQUESTS_SPACE,
  type TaskRecord,
  TASKS_SPACE,
} from "./record-codec.ts";

/** A task that an earlier process wrote. */
export interface Leftover {
  readonly key: string;
  readonly record: TaskRecord;
  readonly journal: JournalStart;
  /** Of unfinished ones. */
  readonly request: ExchangeRequest | undefined;
  readonly requestBytes: number;
  /** Output is among its events. */
  readonly shown: boolean;
}

/** What an earlier process left; finished ones in the order in which they ended. @throws {EasynetError} STORAGE_FAILED */
export function readLeftovers(store: Store): { readonly finished: Leftover[]; readonly unfinished: Leftover[] } {
  const [finished, unfinished]: [Leftover[], Leftover[]] = [[], []];
  let page = store.list(TASKS_SPACE);
  while (page.length > 0) {
    for (const { key, value } of page) {
      const record = decodeRecord(value);
      const { end } = record;
      if (end) {
        const journal = { stored: end.stored, bytes: end.bytes, finished: true };
        finished.push({ key, record, journal, request: undefined, requestBytes: 0, shown: true });
      } else unfinished.push(unfinishedOf(store, key, record));
    }
    page = store.list(TASKS_SPACE, { after: page.at(-1)?.key ?? "" });
  }
  finished.sort((one, other) => (one.record.end?.atMs ?? 0) - (other.record.end?.atMs ?? 0));
  return { finished, unfinished };
}

function unfinishedOf(store: Store, key: string, record: TaskRecord): Leftover {
  const prefix = `${key}/`;
  let [stored, bytes, shown] = [0, 0, false];
  let page = store.list(EVENTS_SPACE, { prefix });
  while (page.length > 0) {
    for (const { value } of page) {
      const segment = decodeSegment(value);
      stored = segment.first + segment.events.length - 1;
      for (const event of segment.events) {
        bytes += event.length;
        shown ||= isOutput(decodeEvent(event).type);
      }
    }
    page = store.list(EVENTS_SPACE, { prefix, after: page.at(-1)?.key ?? prefix });
  }
  const row = store.get(REQUESTS_SPACE, key);
  const request = row && decodeStoredRequest(row);
  return { key, record, journal: { stored, bytes, finished: false }, request, requestBytes: row?.length ?? 0, shown };
}

/** What a caller would get twice if the task ran again; thoughts, tools and usage only tell how it goes. */
function isOutput(type: ReturnType<typeof decodeEvent>["type"]): boolean {
  return type === "delta" || type === "item" || type === "artifact" || type === "ask";
}
